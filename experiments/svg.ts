/** Plots as SVG files, readable on light and on dark pages. */

export interface Dot {
  readonly label: string;
  readonly value: number;
  /** Half the width of the interval; NaN draws none. */
  readonly half: number;
  readonly strong?: boolean;
}

const INK = '#7a7a7a';
const PLAIN = '#6c8ebf';
const STRONG = '#d9822b';
const ROW = 22;
const LEFT = 250;
const WIDTH = 760;

const escape = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

/** One row per dot, with its interval; `reference` is a vertical line. */
export function dotPlot(title: string, axis: string, dots: readonly Dot[], reference?: number): string {
  const finite = dots.filter(({ value }) => Number.isFinite(value));
  const reach = finite.flatMap(({ value, half }) =>
    Number.isNaN(half) ? [value] : [value - half, value + half],
  );
  const ends = [...reach, ...(reference === undefined ? [] : [reference])];
  const [low, high] = [Math.min(...ends), Math.max(...ends)];
  const margin = 0.05 * (high - low || 1);
  const x = (value: number): number =>
    LEFT + ((value - low + margin) / (high - low + 2 * margin)) * (WIDTH - LEFT - 20);
  const height = 60 + ROW * dots.length + 30;
  const bottom = height - 30;
  const ticks = Array.from({ length: 5 }, (_, i) => low + (i / 4) * (high - low));
  const rows = dots.map(({ label, value, half, strong }, at) => {
    const y = 50 + ROW * at + ROW / 2;
    const colour = strong === true ? STRONG : PLAIN;
    if (!Number.isFinite(value)) {
      return `<text x="${LEFT - 8}" y="${y + 4}" text-anchor="end">${escape(label)} (not finite)</text>`;
    }
    const bar = Number.isNaN(half)
      ? ''
      : `<line x1="${x(value - half).toFixed(1)}" x2="${x(value + half).toFixed(1)}" y1="${y}" y2="${y}" stroke="${colour}" stroke-width="3"/>`;
    return (
      `<text x="${LEFT - 8}" y="${y + 4}" text-anchor="end">${escape(label)}</text>${bar}` +
      `<circle cx="${x(value).toFixed(1)}" cy="${y}" r="4.5" fill="${colour}"/>`
    );
  });
  const line =
    reference === undefined
      ? ''
      : `<line x1="${x(reference).toFixed(1)}" x2="${x(reference).toFixed(1)}" y1="46" y2="${bottom}" stroke="${STRONG}" stroke-dasharray="4 3"/>`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" font-family="sans-serif" font-size="12" fill="${INK}">`,
    `<text x="10" y="20" font-size="14" font-weight="bold">${escape(title)}</text>`,
    `<text x="${WIDTH - 20}" y="36" text-anchor="end">${escape(axis)}</text>`,
    ...ticks.map(
      (tick) =>
        `<line x1="${x(tick).toFixed(1)}" x2="${x(tick).toFixed(1)}" y1="46" y2="${bottom}" stroke="${INK}" stroke-opacity="0.25"/>` +
        `<text x="${x(tick).toFixed(1)}" y="${bottom + 16}" text-anchor="middle">${Number(tick.toPrecision(3))}</text>`,
    ),
    line,
    ...rows,
    '</svg>',
    '',
  ].join('\n');
}
