/** Where the checkpoints lie: words, a map and a matrix. */
import type { AverageReport, ResultGeometry } from '../../src/core/averaging/types.ts';
import { h, onClick, svg } from '../shared/dom.ts';
import { fill } from '../shared/fill.ts';
import { formatNumber } from '../shared/numbers.ts';
import type { Theme } from '../shared/theme.ts';
import type { ResultStrings } from '../strings.ts';
import { followCursor } from './cursor.ts';
import { dataTable } from './dataTable.ts';
import { geometryWords, placeLabels } from './geometryWords.ts';
import { element } from './pictures/element.ts';
import { heatLegend, type HeatPicture, heatPicture } from './pictures/heat.ts';
import { type MapPicture, mapPicture, mixMark } from './pictures/map.ts';

/** Pixels: the larger of the two is no easier to read. */
const WIDEST = 620;
const MAP_HEIGHT = 320;
const LARGEST_MATRIX = 320;
/** How far from a point the pointer may be, pixels. */
const REACH = 24;

export class GeometrySection {
  readonly element: HTMLElement;
  readonly #strings: ResultStrings;
  readonly #report: AverageReport;
  readonly #map: Picture;
  readonly #heat: Picture;
  readonly #tables = { map: h('div', {}), heat: h('div', {}) };
  readonly #resized: ResizeObserver;
  #geometry: ResultGeometry | undefined;
  #drawn: { readonly map: MapPicture; readonly heat: HeatPicture } | undefined;
  #fontSize = 12;

  constructor(
    report: AverageReport,
    strings: ResultStrings,
    events: { compute(): void },
    canCompute: boolean,
  ) {
    this.#strings = strings;
    this.#report = report;
    this.#map = new Picture('map-plot', strings.map);
    this.#heat = new Picture('heat-plot', strings.similarity);
    this.#followMap();
    this.#followHeat();
    this.element = h(
      'section',
      { class: 'geometry' },
      h('h2', {}, strings.geometry),
      h('p', { class: 'muted hint' }, canCompute ? strings.geometryUnknown : strings.geometryUnknowable),
      canCompute
        ? onClick(h('button', { type: 'button', class: 'plain' }, strings.computeGeometry), () =>
            events.compute(),
          )
        : undefined,
    );
    this.#resized = new ResizeObserver(() => this.#draw());
  }

  show(geometry: ResultGeometry): void {
    if (this.#geometry !== undefined) return;
    this.#geometry = geometry;
    const strings = this.#strings;
    const share = 100 * geometry.explained.reduce((sum, value) => sum + value, 0);
    this.element.replaceChildren(
      h('h2', {}, strings.geometry),
      h('ul', { class: 'words' }, ...geometryWords(geometry, strings).map((words) => h('li', {}, words))),
      h(
        'div',
        { class: 'charts', role: 'group' },
        h(
          'div',
          { class: 'chart' },
          h('h3', {}, strings.map),
          h('p', { class: 'muted' }, fill(strings.mapHint, share.toFixed(0))),
          this.#map.element,
          this.#legend(geometry),
          this.#tables.map,
        ),
        h(
          'div',
          { class: 'chart' },
          h('h3', {}, strings.similarity),
          h('p', { class: 'muted' }, strings.similarityHint),
          this.#heat.element,
          element(heatLegend(this.#fontSize)),
          this.#tables.heat,
        ),
      ),
    );
    this.#resized.observe(this.#map.element);
  }

  render(theme: Theme, table: boolean): void {
    this.#fontSize = Math.round(theme.fontSize * 0.85);
    this.#draw();
    const geometry = this.#geometry;
    this.#tables.map.replaceChildren(...(table && geometry !== undefined ? [this.#mapTable(geometry)] : []));
    this.#tables.heat.replaceChildren(
      ...(table && geometry !== undefined ? [this.#heatTable(geometry)] : []),
    );
  }

  dispose(): void {
    this.#resized.disconnect();
  }

  #draw(): void {
    const geometry = this.#geometry;
    const available = this.#map.element.clientWidth;
    if (geometry === undefined || available === 0) return;
    const fontSize = this.#fontSize;
    const labels = placeLabels(this.#report);
    const map = mapPicture(geometry, {
      width: Math.min(WIDEST, available),
      height: MAP_HEIGHT,
      fontSize,
      labels,
      use: this.#report.recommendation.use,
    });
    // Its labels take some of the width.
    const side = Math.max(60, Math.min(LARGEST_MATRIX - 24, available - 80));
    const heat = heatPicture(geometry.cosines, { side, fontSize, labels });
    this.#drawn = { map, heat };
    this.#map.draw(element(map.shape));
    this.#heat.draw(element(heat.shape));
  }

  #legend(geometry: ResultGeometry): HTMLElement {
    return h(
      'div',
      { class: 'legend' },
      ...geometry.mixes.map(({ id, label }) =>
        h(
          'span',
          { class: 'legend-item' },
          svg(
            'svg',
            { class: 'map swatch', width: 18, height: 18, 'aria-hidden': 'true' },
            element(mixMark(id, { x: 9, y: 9 }, id === this.#report.recommendation.use)),
          ),
          h('span', {}, label),
        ),
      ),
    );
  }

  #followMap(): void {
    const strings = this.#strings;
    const places = (): MapPicture['places'] => this.#drawn?.map.places ?? [];
    followCursor(this.#map.element, this.#map.area, {
      count: () => places().length,
      nearest: (x, y) => {
        const far = places().map((place) => Math.hypot(place.x - x, place.y - y));
        const index = far.indexOf(Math.min(...far));
        return index >= 0 && far[index]! <= REACH ? index : undefined;
      },
      place: (index) => places()[index]!,
      describe: (index) => {
        const { names, points, mixes, fromMean, distances } = this.#geometry!;
        if (index < points.length) {
          const before = index === 0 ? undefined : distances[index - 1]![index]!;
          return [
            names[index]!,
            `${formatNumber(fromMean[index]!)} ${strings.fromMean}`,
            ...(before === undefined ? [] : [`${formatNumber(before)} ${strings.fromBefore}`]),
          ];
        }
        const mix = mixes[index - points.length]!;
        return [
          mix.label,
          `${formatNumber(mix.fromMean)} ${strings.fromMean}`,
          `${formatNumber(mix.beside)} ${strings.besideMap}`,
        ];
      },
      show: (index) => {
        const place = index === undefined ? undefined : places()[index];
        this.#map.point(place && { x: place.x - 9, y: place.y - 9, size: 18 });
      },
    });
  }

  #followHeat(): void {
    const strings = this.#strings;
    const n = (): number => this.#geometry?.names.length ?? 0;
    followCursor(this.#heat.element, this.#heat.area, {
      count: () => n() ** 2,
      columns: n,
      nearest: (x, y) => {
        if (this.#drawn === undefined) return undefined;
        const { left, top, cell } = this.#drawn.heat;
        const [column, row] = [Math.floor((x - left) / cell), Math.floor((y - top) / cell)];
        return Math.min(column, row) >= 0 && Math.max(column, row) < n() ? row * n() + column : undefined;
      },
      place: (index) => {
        const { x, y, size } = this.#cell(index);
        return { x: x + size, y };
      },
      describe: (index) => {
        const { names, cosines, distances } = this.#geometry!;
        const [row, column] = [Math.floor(index / n()), index % n()];
        return [
          `${names[row]!} · ${names[column]!}`,
          `${strings.cosine} ${formatNumber(cosines[row]![column]!)}`,
          `${strings.distance} ${formatNumber(distances[row]![column]!)}`,
        ];
      },
      show: (index) => this.#heat.point(index === undefined ? undefined : this.#cell(index)),
    });
  }

  #cell(index: number): { readonly x: number; readonly y: number; readonly size: number } {
    const { left, top, cell } = this.#drawn!.heat;
    const n = this.#geometry!.names.length;
    return { x: left + (index % n) * cell, y: top + Math.floor(index / n) * cell, size: cell };
  }

  #mapTable({ names, points, mixes, fromMean, distances }: ResultGeometry): HTMLElement {
    const strings = this.#strings;
    return dataTable(
      strings.map,
      [strings.weights, 'x', 'y', strings.fromMean, strings.fromBefore],
      [
        ...names.map((name, i) => [
          name,
          ...points[i]!.map((at) => formatNumber(at)),
          formatNumber(fromMean[i]!),
          i === 0 ? '' : formatNumber(distances[i - 1]![i]!),
        ]),
        ...mixes.map(({ label, x, y, fromMean: far }) => [
          label,
          formatNumber(x),
          formatNumber(y),
          formatNumber(far),
          '',
        ]),
      ],
    );
  }

  #heatTable({ names, cosines }: ResultGeometry): HTMLElement {
    return dataTable(
      this.#strings.similarity,
      [this.#strings.checkpoint, ...names],
      cosines.map((row, i) => [names[i]!, ...row.map((value) => formatNumber(value, 3))]),
    );
  }
}

/** A picture that can be pointed at and walked through by keys. */
class Picture {
  readonly element: HTMLElement;
  readonly area = h('div', { class: 'picture-area' });
  readonly #ring = h('div', { class: 'ring', hidden: true });

  constructor(className: string, label: string) {
    this.element = h(
      'div',
      { class: `plot picture ${className}`, tabindex: 0, role: 'group', 'aria-label': label },
      this.area,
      this.#ring,
    );
  }

  draw(picture: SVGElement): void {
    this.area.replaceChildren(picture);
  }

  point(at: { readonly x: number; readonly y: number; readonly size: number } | undefined): void {
    this.#ring.hidden = at === undefined;
    if (at === undefined) return;
    this.#ring.style.left = `${at.x}px`;
    this.#ring.style.top = `${at.y}px`;
    this.#ring.style.width = this.#ring.style.height = `${at.size}px`;
  }
}
