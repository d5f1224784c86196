"""The figures as Markdown: a table for each measurement, with a column for each size."""


def markdown(points, measurements):
    lines = []
    for name, measurement in measurements.items():
        of_it = [point for point in points if point["measurement"] == name]
        if not of_it:
            continue
        sizes = sorted({point["size"] for point in of_it})
        brokers = sorted({point["broker"] for point in of_it})
        lines += ["", f"| {name} | | " + " | ".join(f"{size:,}" for size in sizes) + " |", "|---|---|" + "---|" * len(sizes)]
        figures = {(point["broker"], point["size"]): point.get("figures", {}) for point in of_it}
        for key, label in measurement.FIGURES.items():
            for broker in brokers:
                cells = [short(figures.get((broker, size), {}).get(key)) for size in sizes]
                if any(cells):
                    lines.append(f"| {label} | {broker} | " + " | ".join(cells) + " |")
        missed = [f"{point['broker']} at {point['size']:,}: {point['missed']}" for point in of_it if "missed" in point]
        if missed:
            lines += ["", "Not reached: " + "; ".join(missed) + "."]
    return "\n".join(lines[1:])


def short(value):
    """Three significant digits."""
    if value is None:
        return ""
    for unit, letter in ((1e6, " M"), (1e3, " k")):
        if abs(value) >= unit:
            return f"{value / unit:.3g}{letter}" if abs(value) < 999.5 * unit else f"{value / unit:,.0f}{letter}"
    return f"{value:.3g}"
