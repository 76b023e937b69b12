/** Charts as one SVG: text, so that a paper's figure can be made from it. No browser here. */
export type Place = readonly [x: number, y: number];

export interface PictureLine {
  /** Stretches without gaps. */
  readonly stretches: readonly (readonly Place[])[];
  /** Hexadecimal: drawing programs do not know all that a theme may write. */
  readonly color: string;
  readonly width: number;
  readonly dash: readonly number[];
  /** Values as logged behind their average. */
  readonly faint: boolean;
}

export interface PictureMark {
  readonly kind: 'checkpoint' | 'average' | 'best-low' | 'best-high';
  readonly at: Place;
  readonly color: string;
  /** Its name, for who points at it. */
  readonly title: string;
  /** Ends of the interval of an average, y. */
  readonly interval?: readonly [low: number, high: number];
}

/** A chart as numbers, in CSS pixels. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  readonly area: {
    readonly left: number;
    readonly top: number;
    readonly right: number;
    readonly bottom: number;
  };
  readonly xTicks: readonly { readonly at: number; readonly label: string }[];
  readonly yTicks: readonly { readonly at: number; readonly label: string }[];
  readonly xTitle: string;
  readonly lines: readonly PictureLine[];
  readonly marks: readonly PictureMark[];
}

export interface SvgLegend {
  readonly text: string;
  readonly color: string;
  readonly width: number;
  readonly dash: readonly number[];
}

export interface SvgChart {
  readonly title: string;
  readonly legend: readonly SvgLegend[];
  readonly picture: Picture;
}

export interface SvgLook {
  /** Of the whole. */
  readonly title: string;
  readonly background: string;
  readonly foreground: string;
  readonly muted: string;
  readonly grid: string;
  readonly font: string;
  readonly fontSize: number;
}

const HEAD = 30;
const GAP = 18;
const MARGIN = 12;
/** Of the letters of the usual fonts, wide enough for a legend that does not overlap. */
const LETTER_WIDTH = 0.58;
const FAINT = 0.28;

/** One chart below the other, as wide as the widest. */
export function curvesSvg(charts: readonly SvgChart[], look: SvgLook): string {
  const width = Math.max(0, ...charts.map(({ picture }) => picture.width)) + 2 * MARGIN;
  let height = MARGIN;
  const groups = charts.map((chart, index) => {
    const top = height;
    height += HEAD + chart.picture.height + GAP;
    return chartSvg(chart, index, top, look);
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${n(width)}" height="${n(height)}" viewBox="0 0 ${n(width)} ${n(height)}"` +
      ` font-family="${escape(look.font)}" font-size="${n(look.fontSize)}">`,
    `<title>${escape(look.title)}</title>`,
    `<rect width="100%" height="100%" fill="${look.background}"/>`,
    ...groups,
    '</svg>',
    '',
  ].join('\n');
}

function chartSvg({ title, legend, picture }: SvgChart, index: number, top: number, look: SvgLook): string {
  const { area, xTicks, yTicks, xTitle, lines, marks } = picture;
  const small = look.fontSize * 0.86;
  const muted = `fill="${look.muted}" font-size="${n(small)}"`;
  return [
    `<g transform="translate(${MARGIN} ${n(top)})">`,
    `<text x="0" y="14" font-weight="600" fill="${look.foreground}">${escape(title)}</text>`,
    ...legendSvg(legend, title.length * look.fontSize * LETTER_WIDTH + 16, look),
    `<g transform="translate(0 ${HEAD})">`,
    `<clipPath id="area-${index}"><rect x="${n(area.left)}" y="${n(area.top)}" width="${n(area.right - area.left)}" height="${n(area.bottom - area.top)}"/></clipPath>`,
    ...yTicks.map(
      ({ at, label }) =>
        `<path d="M${n(area.left)} ${n(at)}H${n(area.right)}" stroke="${look.grid}" stroke-width="1" opacity="0.25"/>` +
        `<text x="${n(area.left - 8)}" y="${n(at + small / 3)}" text-anchor="end" ${muted}>${escape(label)}</text>`,
    ),
    ...xTicks.map(
      ({ at, label }) =>
        `<text x="${n(at)}" y="${n(area.bottom + small + 6)}" text-anchor="middle" ${muted}>${escape(label)}</text>`,
    ),
    `<text x="${n(area.right)}" y="${n(area.bottom + 2 * small + 12)}" text-anchor="end" ${muted}>${escape(xTitle)}</text>`,
    `<g clip-path="url(#area-${index})" fill="none" stroke-linejoin="bevel">`,
    ...lines.map(lineSvg),
    '</g>',
    ...marks.map((mark) => markSvg(mark, look)),
    '</g>',
    '</g>',
  ].join('\n');
}

function legendSvg(legend: readonly SvgLegend[], from: number, look: SvgLook): readonly string[] {
  let x = from;
  return legend.map(({ text, color, width, dash }) => {
    const at = x;
    x += 24 + text.length * look.fontSize * LETTER_WIDTH + 12;
    return (
      `<path d="M${n(at)} 10h18" stroke="${color}" stroke-width="${n(width + 0.5)}"${dashed(dash)}/>` +
      `<text x="${n(at + 24)}" y="14" fill="${look.foreground}">${escape(text)}</text>`
    );
  });
}

function lineSvg({ stretches, color, width, dash, faint }: PictureLine): string {
  const paths = stretches
    .filter(({ length }) => length > 1)
    .map((points) => `M${points.map(([x, y]) => `${n(x)} ${n(y)}`).join('L')}`);
  // A point without neighbours has to be a dot to be seen.
  const dots = stretches.flatMap(([only, ...more]) => (only === undefined || more.length > 0 ? [] : [only]));
  const opacity = faint ? ` opacity="${FAINT}"` : '';
  return [
    ...(paths.length === 0
      ? []
      : [
          `<path d="${paths.join('')}" stroke="${color}" stroke-width="${n(width)}"${dashed(dash)}${opacity}/>`,
        ]),
    ...dots.map(([x, y]) => `<circle cx="${n(x)}" cy="${n(y)}" r="2.5" fill="${color}"${opacity}/>`),
  ].join('\n');
}

function markSvg({ kind, at: [x, y], color, title, interval }: PictureMark, look: SvgLook): string {
  const name = title === '' ? '' : `<title>${escape(title)}</title>`;
  const edge = `stroke="${look.background}" stroke-width="1"`;
  switch (kind) {
    case 'checkpoint':
      return `<path d="M${n(x)} ${n(y - 5)}v10" stroke="${color}" stroke-width="1.25">${name}</path>`;
    case 'best-low':
    case 'best-high': {
      const away = kind === 'best-low' ? -1 : 1;
      return `<path d="M${n(x)} ${n(y + 3 * away)}l-4.5 ${8 * away}h9z" fill="${color}" ${edge}/>`;
    }
    case 'average': {
      const whisker =
        interval === undefined || !interval.every(Number.isFinite)
          ? ''
          : `<path d="M${n(x)} ${n(interval[0])}V${n(interval[1])}M${n(x - 3.5)} ${n(interval[0])}h7M${n(x - 3.5)} ${n(interval[1])}h7" stroke="${color}" stroke-width="1.5" fill="none"/>`;
      return `${whisker}<path d="${star(x, y)}" fill="${color}" ${edge}>${name}</path>`;
    }
  }
}

function star(x: number, y: number): string {
  const corners = Array.from({ length: 10 }, (_, corner) => {
    const radius = (corner % 2 === 0 ? 1 : 0.42) * 7.5;
    const angle = (corner * Math.PI) / 5 - Math.PI / 2;
    return `${n(x + radius * Math.cos(angle))} ${n(y + radius * Math.sin(angle))}`;
  });
  return `M${corners.join('L')}Z`;
}

const dashed = (dash: readonly number[]): string =>
  dash.length === 0 ? '' : ` stroke-dasharray="${dash.map(n).join(' ')}"`;

/** A hundredth of a pixel is nothing that anybody sees. */
const n = (value: number): string => String(Math.round(value * 100) / 100);

const escape = (text: string): string =>
  text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    // XML 1.0 has no other control characters.
    .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f]/g, '');
