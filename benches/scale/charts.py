"""One SVG for each measurement, a panel for each of its figures, both axes logarithmic, all brokers in one panel."""

import math
import pathlib

COLOURS = ["#0b6e4f", "#d1495b", "#30638e", "#edae49"]


def draw(points, measurements, folder):
    import matplotlib

    matplotlib.use("svg")
    # The same figures give the same file; text stays text.
    matplotlib.rcParams.update({"svg.hashsalt": "scale", "svg.fonttype": "none", "font.size": 9, "font.family": "sans-serif"})
    from matplotlib import pyplot

    brokers = sorted({point["broker"] for point in points})
    for name, measurement in measurements.items():
        reached = [point for point in points if point["measurement"] == name and "figures" in point]
        shown = {key: label for key, label in measurement.FIGURES.items() if any(key in point["figures"] for point in reached)}
        if not shown:
            continue
        figure, axes = pyplot.subplots(1, len(shown), figsize=(3.4 * len(shown), 3), squeeze=False, layout="constrained")
        for axis, (key, label) in zip(axes[0], shown.items()):
            for broker, colour in zip(brokers, COLOURS):
                line = sorted((point["size"], point["figures"][key]) for point in reached if point["broker"] == broker and key in point["figures"])
                line = [(size, value) for size, value in line if value > 0]
                if line:
                    axis.plot(*zip(*line), marker="o", markersize=4, color=colour, label=broker)
            axis.set(xscale="log", yscale="log", xlabel=measurement.AXIS)
            axis.set_title(label, fontsize=9)
            axis.minorticks_off()
            widen(axis)
            axis.grid(True, alpha=0.3)
        axes[0][0].legend()
        pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
        figure.savefig(pathlib.Path(folder) / f"scale-{name}.svg", metadata={"Date": None})
        pyplot.close(figure)


def widen(axis):
    """To whole decades, or lines that are nearly level would look steep."""
    low, high = (math.log10(value) for value in axis.dataLim.intervaly)
    axis.set_ylim(10 ** math.floor(low - 0.1), 10 ** math.ceil(high + 0.1))
