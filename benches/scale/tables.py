"""The figures as Markdown: a table for each measurement."""


def markdown(points, measurements):
    lines = []
    for name, measurement in measurements.items():
        of_it = sorted((point for point in points if point["measurement"] == name), key=lambda point: (point["broker"], point["size"]))
        if not of_it:
            continue
        keys = list(measurement.FIGURES)
        lines += ["", f"| {name} | | " + " | ".join(measurement.FIGURES.values()) + " |", "|---|---|" + "---|" * len(keys)]
        for point in of_it:
            if "figures" in point:
                cells = [short(point["figures"].get(key)) for key in keys]
            else:
                cells = [point["missed"]] + [""] * (len(keys) - 1)
            lines.append(f"| {point['broker']} | {point['size']:,} | " + " | ".join(cells) + " |")
    return "\n".join(lines[1:])


def short(value):
    """Three significant digits."""
    if value is None:
        return ""
    for unit, letter in ((1e6, " M"), (1e3, " k")):
        if abs(value) >= unit:
            return f"{value / unit:.3g}{letter}" if abs(value) < 999.5 * unit else f"{value / unit:,.0f}{letter}"
    return f"{value:.3g}"
