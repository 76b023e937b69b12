/**
 * Draws the pictures of the walkthrough, media/walkthrough/*.svg: `node scripts/walkthrough.ts`. In the walkthrough
 * they have the colours of the theme; elsewhere (the page "What Is TWA?") those that are named here, which can be
 * seen on dark and on light.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';

const folder = path.resolve(import.meta.dirname, '../media/walkthrough');
const WIDTH = 480;
const HEIGHT = 320;

const ink = 'var(--vscode-foreground, #808080)';
const faint = 'var(--vscode-descriptionForeground, #8a8a8a)';
const blue = 'var(--vscode-charts-blue, #2a8ad6)';
const green = 'var(--vscode-charts-green, #3a9a4b)';
const yellow = 'var(--vscode-charts-yellow, #c98a00)';
const line = 'var(--vscode-widget-border, #80808066)';

const svg = (what: string, body: string): string =>
  `<!-- ${what} Drawn by scripts/walkthrough.ts. -->
<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${HEIGHT}" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="var(--vscode-font-family, sans-serif)" font-size="15">
${body}
</svg>
`;
const n = (value: number): string => String(Number(value.toFixed(1)));
const text = (x: number, y: number, words: string, more = `fill="${ink}"`): string =>
  `<text x="${n(x)}" y="${n(y)}" ${more}>${words}</text>`;
const dot = (x: number, y: number, r: number, fill: string): string =>
  `<circle cx="${n(x)}" cy="${n(y)}" r="${n(r)}" fill="${fill}"/>`;

/** A star of five points around (x, y). */
function star(x: number, y: number, radius: number): string {
  const points = Array.from({ length: 10 }, (_, i) => {
    const angle = (Math.PI * i) / 5 - Math.PI / 2;
    const r = i % 2 === 0 ? radius : radius * 0.45;
    return `${n(x + r * Math.cos(angle))},${n(y + r * Math.sin(angle))}`;
  });
  return `<polygon points="${points.join(' ')}" fill="${yellow}"/>`;
}

/** Rows as in the tree. `checked` from the last upwards; undefined leaves the boxes out. */
function rows(checked: number | undefined): string {
  const names = ['epoch-08', 'epoch-09', 'epoch-10', 'epoch-11', 'epoch-12'];
  const metrics = ['0.913', '0.921', '0.926', '0.924', '0.928'];
  const out = [
    text(56, 66, 'digits', `fill="${ink}" font-weight="bold"`),
    text(118, 66, 'training · 2.1 steps/s', `fill="${green}" font-size="13"`),
  ];
  for (const [i, name] of names.entries()) {
    const y = 106 + 38 * i;
    const isChecked = checked !== undefined && i >= names.length - checked;
    if (checked !== undefined) {
      out.push(
        `<rect x="56" y="${y - 13}" width="16" height="16" rx="3" fill="${isChecked ? blue : 'none'}" stroke="${isChecked ? blue : faint}"/>`,
        ...(isChecked
          ? [
              `<path d="M60 ${y - 5}l3.500 3.500 6-7" fill="none" stroke="#ffffff" stroke-width="2" stroke-linecap="round" stroke-linejoin="round"/>`,
            ]
          : []),
      );
    }
    const isBest = i === names.length - 1;
    out.push(
      dot(92, y - 5, 6, isBest ? green : faint),
      text(110, y, name),
      text(200, y, metrics[i]!, `fill="${isBest ? green : faint}"`),
      text(256, y, isBest ? 'best · 1.2 MB' : '1.2 MB', `fill="${faint}"`),
    );
  }
  return out.join('\n');
}

const frame = `<rect x="32" y="32" width="${WIDTH - 64}" height="${HEIGHT - 64}" rx="8" fill="none" stroke="${line}"/>`;

/** A loss that falls and wiggles, with marks where checkpoints were written and a star for their average. */
function curve(): string {
  const at = (t: number): readonly [number, number] => [
    64 + 340 * t,
    84 + 150 * (1 - Math.exp(-4 * t)) + 9 * Math.sin(31 * t) * (1 - 0.5 * t),
  ];
  const points = Array.from({ length: 121 }, (_, i) =>
    at(i / 120)
      .map(n)
      .join(' '),
  );
  const marks = [0.2, 0.36, 0.52, 0.68, 0.84, 1].map((t) => dot(...at(t), 5, blue));
  return [
    `<path d="M56 56V272H424" fill="none" stroke="${faint}"/>`,
    text(64, 52, 'val/loss', `fill="${faint}" font-size="13"`),
    text(392, 292, 'epoch', `fill="${faint}" font-size="13"`),
    `<path d="M${points.join('L')}" fill="none" stroke="${blue}" stroke-width="2.5" stroke-linejoin="round"/>`,
    ...marks,
    star(404, 258, 11),
  ].join('\n');
}

/** Contours of a valley of the loss, checkpoints around it, their mean and TWA. */
function valley(): string {
  const [cx, cy] = [250, 166];
  const ellipses = [1, 0.74, 0.5, 0.27].map(
    (scale, i) =>
      `<ellipse cx="${cx}" cy="${cy}" rx="${n(170 * scale)}" ry="${n(104 * scale)}" fill="none" stroke="${faint}" opacity="${n(0.4 + 0.2 * i)}" transform="rotate(-14 ${cx} ${cy})"/>`,
  );
  const checkpoints: readonly (readonly [number, number])[] = [
    [120, 150],
    [196, 96],
    [232, 246],
    [330, 216],
  ];
  const mean = [0, 1].map(
    (axis) => checkpoints.reduce((sum, one) => sum + one[axis]!, 0) / checkpoints.length,
  ) as [number, number];
  return [
    ...ellipses,
    ...checkpoints.map(
      ([x, y]) =>
        `<path d="M${x} ${y}L${n(mean[0])} ${n(mean[1])}" stroke="${blue}" stroke-dasharray="3 4" opacity=".7"/>`,
    ),
    ...checkpoints.map(([x, y]) => dot(x, y, 8, blue)),
    dot(mean[0], mean[1], 7, green),
    star(cx, cy, 15),
    dot(52, 296, 6, blue),
    text(66, 301, 'checkpoints', `fill="${ink}" font-size="13"`),
    dot(178, 296, 6, green),
    text(192, 301, 'plain mean', `fill="${ink}" font-size="13"`),
    star(296, 296, 9),
    text(312, 301, 'TWA: trained coefficients', `fill="${ink}" font-size="13"`),
  ].join('\n');
}

await mkdir(folder, { recursive: true });
for (const [name, picture] of Object.entries({
  watch: svg('Checkpoints of a run in a list, each with its metric.', `${frame}\n${rows(undefined)}`),
  curves: svg('A falling learning curve with a mark for every checkpoint.', curve()),
  check: svg('The newest checkpoints of a run, checked.', `${frame}\n${rows(4)}`),
  average: svg('Checkpoints around a valley, their plain mean near its bottom and TWA at it.', valley()),
})) {
  await writeFile(path.join(folder, `${name}.svg`), picture);
}
