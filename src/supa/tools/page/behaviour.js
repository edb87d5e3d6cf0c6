// Draws the plots in the page's colours, again when those change between light and dark. Data: the JSON blocks.
"use strict";
(() => {
  const specs = JSON.parse(document.getElementById("plots").textContent);
  const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const drawn = new Map();

  function colours(narrow) {
    const ink = style("--ink"), soft = style("--soft"), line = style("--line"), accent = style("--accent");
    const words = { labelColor: soft, titleColor: soft, labelFontSize: 11, titleFontSize: 11, titleFontWeight: "normal" };
    return {
      background: "transparent",
      font: getComputedStyle(document.body).fontFamily,
      view: { stroke: "transparent" },
      axis: { ...words, gridColor: line, domainColor: line, tickColor: line, labelOverlap: true, tickCount: narrow ? 4 : 8 },
      legend: { ...words, labelColor: ink, ...(narrow ? { columns: 2 } : {}) },
      text: { color: ink },
      rect: { color: accent }, area: { color: accent }, bar: { color: accent },
      range: { category: ["#4f7fd9", "#e8a02e", "#e0614f", "#4fae9c", "#3f9e4d", "#d878a5", "#9a6bdc", "#8d8f96",
                          "#7fb2e6", "#b98a4e", "#c9c04a", "#5d6bb0"] },
    };
  }

  async function draw() {
    const narrow = window.innerWidth < 640;
    for (const [id, spec] of Object.entries(specs)) {
      drawn.get(id)?.finalize();
      const asked = structuredClone(spec);
      if (narrow) tighten(asked);
      drawn.set(id, await vegaEmbed("#" + id, asked, { config: colours(narrow), renderer: "svg", actions: false }));
    }
    document.documentElement.dataset.drawn = "yes";
  }

  function tighten(spec) {  // long names of rows leave less than half of a narrow page to the bars
    for (const layer of [spec, ...(spec.layer ?? [])])
      for (const channel of Object.values(layer.encoding ?? {})) {
        if (channel.axis?.minExtent) channel.axis.minExtent = 64;
        if (channel.axis?.labelLimit) channel.axis.labelLimit = 96;
        if (channel.legend) channel.legend.columns = 2;
      }
  }

  let narrowBefore = window.innerWidth < 640;
  window.addEventListener("resize", () => {
    const narrow = window.innerWidth < 640;
    if (narrow !== narrowBefore) { narrowBefore = narrow; draw(); }
  });
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  draw();
})();
