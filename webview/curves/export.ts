/** The charts as one picture: SVG from numbers, PNG from the canvases. */
import type { Theme } from '../shared/theme.ts';
import { hex } from './picture.ts';
import type { Plot } from './plot.ts';
import type { LegendEntry, SectionLine } from './section.ts';
import { curvesSvg, type SvgChart, type SvgLegend } from './svg.ts';

export interface ExportedChart {
  readonly title: string;
  readonly lines: readonly SectionLine[];
  readonly legend: readonly LegendEntry[];
  readonly plot: Plot;
}

/** Pixels of a PNG for each of the page's, at least. */
const SHARPNESS = 2;
/** Milliseconds to wait for charts that are being painted. */
const PATIENCE_MS = 10_000;
const HEAD = 30;
const GAP = 18;
const MARGIN = 12;

/** @param name of what is shown. Gives the text of an SVG, a PNG in base64. */
export async function exportPicture(
  format: 'svg' | 'png',
  charts: readonly ExportedChart[],
  name: string,
  theme: Theme,
): Promise<string> {
  return format === 'svg' ? toSvg(charts, name, theme) : await toPng(charts, theme);
}

function toSvg(charts: readonly ExportedChart[], title: string, theme: Theme): string {
  return curvesSvg(svgCharts(charts), {
    title,
    background: hex(theme.background),
    foreground: hex(theme.foreground),
    muted: hex(theme.muted),
    grid: hex(theme.muted),
    font: theme.font,
    fontSize: theme.fontSize,
  });
}

function svgCharts(charts: readonly ExportedChart[]): readonly SvgChart[] {
  return charts.flatMap(({ title, lines, legend, plot }) => {
    const picture = plot.picture();
    return picture === undefined ? [] : [{ title: capital(title), legend: legendOf(lines, legend), picture }];
  });
}

/** With several runs colours mean the runs: then those are named, as far as there is room, behind what dashes mean. */
function legendOf(lines: readonly SectionLine[], legend: readonly LegendEntry[]): readonly SvgLegend[] {
  const tags = legend
    .filter(({ hidden }) => !hidden)
    .map(({ tag, style }) => ({ text: tag, color: hex(style.color), width: style.width, dash: style.dash }));
  if (legend.every(({ line }) => line !== undefined)) return tags;
  const runs = new Map(lines.filter(({ hidden }) => !hidden).map(({ run, style }) => [run, style] as const));
  return [
    ...tags,
    ...[...runs].map(([run, style]) => ({
      text: run.split(/[/\\]/).at(-1) ?? run,
      color: hex(style.color),
      width: style.width,
      dash: [],
    })),
  ];
}

async function toPng(charts: readonly ExportedChart[], theme: Theme): Promise<string> {
  // Brings every chart up to date.
  const drawn = svgCharts(charts);
  await whenFinished(charts);
  const scale = Math.max(SHARPNESS, devicePixelRatio);
  const width = Math.max(1, ...drawn.map(({ picture }) => picture.width)) + 2 * MARGIN;
  const height = drawn.reduce((sum, { picture }) => sum + HEAD + picture.height + GAP, MARGIN);
  const canvas = document.createElement('canvas');
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  const ctx = canvas.getContext('2d')!;
  ctx.scale(scale, scale);
  ctx.fillStyle = theme.background;
  ctx.fillRect(0, 0, width, height);
  let top = MARGIN;
  for (const [index, { title, legend, picture }] of drawn.entries()) {
    drawHead(ctx, title, legend, top, theme);
    ctx.drawImage(charts[index]!.plot.canvas, MARGIN, top + HEAD, picture.width, picture.height);
    top += HEAD + picture.height + GAP;
  }
  return canvas.toDataURL('image/png').replace(/^data:[^,]*,/, '');
}

function drawHead(
  ctx: CanvasRenderingContext2D,
  title: string,
  legend: readonly SvgLegend[],
  top: number,
  theme: Theme,
): void {
  ctx.textBaseline = 'alphabetic';
  ctx.fillStyle = theme.foreground;
  ctx.font = `600 ${theme.fontSize}px ${theme.font}`;
  ctx.fillText(title, MARGIN, top + 14);
  let x = MARGIN + ctx.measureText(title).width + 16;
  ctx.font = `${theme.fontSize}px ${theme.font}`;
  for (const { text, color, width, dash } of legend) {
    ctx.strokeStyle = color;
    ctx.lineWidth = width + 0.5;
    ctx.setLineDash([...dash]);
    ctx.beginPath();
    ctx.moveTo(x, top + 10);
    ctx.lineTo(x + 18, top + 10);
    ctx.stroke();
    ctx.fillText(text, x + 24, top + 14);
    x += 24 + ctx.measureText(text).width + 14;
  }
  ctx.setLineDash([]);
}

async function whenFinished(charts: readonly ExportedChart[]): Promise<void> {
  const end = performance.now() + PATIENCE_MS;
  do {
    await new Promise((resolve) => requestAnimationFrame(resolve));
  } while (charts.some(({ plot }) => !plot.finished) && performance.now() < end);
}

const capital = (text: string): string => text.slice(0, 1).toUpperCase() + text.slice(1);
