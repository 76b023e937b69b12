/** The learning-curve page: keeps the store and the user's choices, and draws them together. */
import { emptyState, h, onClick } from '../shared/dom.ts';
import { type Editor, fill, oncePerFrame } from '../shared/editor.ts';
import { readTheme } from '../shared/theme.ts';
import type { FromCurves, ToCurves } from '../protocol.ts';
import type { CurvesStrings } from '../strings.ts';
import type { EpochScale } from './epochs.ts';
import { groupSeries } from './grouping.ts';
import { LineCache } from './lineCache.ts';
import { carrier, placeAverages, placeCheckpoints, type PlacedMark } from './marks.ts';
import { markTable } from './markTable.ts';
import { Section, type SectionInput, type SectionLine } from './section.ts';
import { type Axis, type CurvesState, defaultSmoothing, type Range, readState } from './state.ts';
import { CurvesStore, type StoredRun, type StoredSeries } from './store.ts';
import { lineStyles } from './style.ts';
import { describeHover } from './tooltip.ts';
import { Toolbar } from './toolbar.ts';

export class CurvesPage {
  readonly #editor: Editor<FromCurves, CurvesState>;
  readonly #strings: CurvesStrings;
  readonly #store = new CurvesStore();
  readonly #toolbar: Toolbar;
  readonly #content = h('div', { class: 'content' });
  readonly #charts = h('div', { class: 'charts' });
  readonly #marks = h('div', {});
  readonly #sections = new Map<string, Section>();
  readonly #cache = new LineCache();
  readonly #draw = oncePerFrame(() => this.#render());
  #theme = readTheme();
  #state: CurvesState;
  #known = false;

  constructor(root: HTMLElement, editor: Editor<FromCurves, CurvesState>, strings: CurvesStrings) {
    this.#editor = editor;
    this.#strings = strings;
    this.#state = readState(editor.state());
    this.#toolbar = new Toolbar(strings, {
      selectRun: (directory) => editor.send({ kind: 'selectRun', directory }),
      setAxis: (axis) => this.#choose({ axis, xZoom: null }),
      setSmoothing: (smoothing) => this.#choose({ smoothing }),
      resetZoom: () => this.#choose({ xZoom: null, yZoom: {} }),
      toggleTable: () => this.#choose({ table: !this.#state.table }),
    });
    root.append(this.#toolbar.element, this.#content);
  }

  receive(message: ToCurves): void {
    const before = this.#store.run?.directory;
    if (!this.#store.apply(message)) {
      this.#editor.send({ kind: 'resync' });
      return;
    }
    const { run, wanted } = this.#store;
    this.#state = {
      ...this.#state,
      run: wanted,
      // A zoom belongs to its run; the one that was remembered belongs to the run that comes first.
      ...(this.#known && before !== undefined && run?.directory !== before ? { xZoom: null, yZoom: {} } : {}),
    };
    this.#known = true;
    this.#editor.remember(this.#state);
    this.#draw();
  }

  themeChanged(): void {
    this.#theme = readTheme();
    this.#draw();
  }

  #choose(change: Partial<CurvesState>): void {
    this.#state = { ...this.#state, ...change };
    this.#editor.remember(this.#state);
    this.#draw();
  }

  #render(): void {
    if (!this.#known) return;
    const { run, runs, wanted } = this.#store;
    const series = run === undefined ? [] : [...run.series.values()];
    const { axis, scale } = this.#placing(series);
    const smoothing =
      this.#state.smoothing ?? defaultSmoothing(Math.max(0, ...series.map(({ length }) => length)));
    const empty = this.#emptyState(run);
    this.#toolbar.render({
      runs,
      wanted,
      runName: run?.name,
      axis,
      epochKnown: scale !== undefined,
      smoothing,
      zoomed: this.#state.xZoom !== null || Object.keys(this.#state.yZoom).length > 0,
      table: this.#state.table,
      charts: empty === undefined,
    });
    if (run === undefined || empty !== undefined) {
      this.#dropSections(new Set());
      this.#content.replaceChildren(...(empty === undefined ? [] : [empty]));
      return;
    }
    if (this.#charts.parentElement !== this.#content) {
      this.#content.replaceChildren(this.#charts, this.#marks);
    }
    this.#renderCharts(run, series, smoothing);
    this.#marks.replaceChildren(
      ...(this.#state.table
        ? [
            markTable(run, this.#strings, {
              reveal: (path) => this.#editor.send({ kind: 'reveal', path }),
              openReport: (path) => this.#editor.send({ kind: 'openReport', path }),
            }),
          ]
        : []),
    );
  }

  #renderCharts(run: StoredRun, series: readonly StoredSeries[], smoothing: number): void {
    const strings = this.#strings;
    const { axis, scale } = this.#placing(series);
    const lines = this.#cache.lines(series, axis, scale, smoothing);
    const groups = groupSeries(series);
    const prepared = groups.map((group) => {
      const styles = lineStyles(group.members, this.#theme);
      const inGroup: readonly SectionLine[] = group.members.map((member, index) => ({
        key: member.series.key,
        tag: member.series.tag,
        style: styles[index]!,
        hidden: this.#state.hidden.includes(member.series.tag),
        ...lines.get(member.series)!,
      }));
      const carrying = carrier(group.members)?.series;
      const carryingLine = inGroup.find(({ key }) => key === carrying?.key);
      const marks: PlacedMark[] = [
        ...(carryingLine === undefined || carryingLine.hidden
          ? []
          : placeCheckpoints(run.checkpoints, carryingLine.tag, carryingLine.raw, axis, scale)),
        ...placeAverages(run.averages, group, axis, scale),
      ];
      return { group, lines: inGroup, marks, carrier: carrying?.key };
    });
    const fullX = extent([...lines.values()].map(({ raw }) => raw.x));
    this.#dropSections(new Set(groups.map(({ key }) => key)));
    let previous: Element | undefined;
    for (const { group, lines, marks, carrier } of prepared) {
      const { key } = group;
      const input: SectionInput = {
        theme: this.#theme,
        lines,
        marks,
        carrier,
        fullX,
        xZoom: this.#state.xZoom,
        yZoom: this.#state.yZoom[key] ?? null,
        log: this.#state.log.includes(key),
        xTitle: strings[axis].toLowerCase(),
        table: this.#state.table,
      };
      let section = this.#sections.get(key);
      if (section === undefined) {
        section = this.#newSection(key, input);
        this.#sections.set(key, section);
      }
      // Moving an element takes its focus: only when it is not in its place.
      const place = previous === undefined ? this.#charts.firstElementChild : previous.nextElementSibling;
      if (place !== section.element) this.#charts.insertBefore(section.element, place);
      previous = section.element;
      section.render(input);
    }
  }

  #newSection(key: string, input: SectionInput): Section {
    return new Section(key, this.#strings, input, {
      zoomX: (xZoom) => this.#choose({ xZoom }),
      zoomY: (range) => this.#choose({ yZoom: withZoom(this.#state.yZoom, key, range) }),
      cursor: (x) => {
        for (const [other, section] of this.#sections) if (other !== key) section.plot.showCursor(x);
      },
      activate: (mark) =>
        this.#editor.send(
          mark.kind === 'average'
            ? { kind: 'openReport', path: mark.mark.reportPath }
            : { kind: 'reveal', path: mark.mark.path },
        ),
      describe: (hover, tooltip) => {
        const { axis, scale } = this.#placing([...(this.#store.run?.series.values() ?? [])]);
        return describeHover(hover, tooltip, {
          strings: this.#strings,
          axis,
          otherAxis: (x) => (axis === 'epoch' ? scale?.stepOf(x) : scale?.epochOf(x)),
        });
      },
      toggleLine: (tag) => this.#choose({ hidden: toggled(this.#state.hidden, tag) }),
      toggleLog: () => this.#choose({ log: toggled(this.#state.log, key) }),
    });
  }

  /** Without an epoch for every step the axis can only be the step's. */
  #placing(series: readonly StoredSeries[]): { readonly axis: Axis; readonly scale: EpochScale | undefined } {
    const scale = this.#cache.scale(series);
    return { axis: scale === undefined ? 'step' : this.#state.axis, scale };
  }

  #emptyState(run: StoredRun | undefined): HTMLElement | undefined {
    const strings = this.#strings;
    const { scanning, wanted } = this.#store;
    if (run === undefined) {
      if (scanning) return emptyState(strings.scanning);
      if (wanted !== null) return emptyState(strings.runGone, strings.runGoneHint);
      const watch = h('button', { type: 'button', class: 'primary' }, strings.watchFolder);
      return emptyState(
        strings.noRuns,
        strings.noRunsHint,
        onClick(watch, () => this.#editor.send({ kind: 'watchFolder' })),
      );
    }
    if (run.series.size > 0) return undefined;
    return emptyState(strings.noSeries, fill(strings.noSeriesHint, run.checkpoints.length));
  }

  #dropSections(keep: ReadonlySet<string>): void {
    for (const [key, section] of this.#sections) {
      if (keep.has(key)) continue;
      section.dispose();
      this.#sections.delete(key);
    }
  }
}

/** Never empty: a single point gets room around it. */
function extent(columns: readonly Float64Array[]): Range {
  let min = Infinity;
  let max = -Infinity;
  for (const x of columns) {
    if (x.length === 0) continue;
    min = Math.min(min, x[0]!);
    max = Math.max(max, x.at(-1)!);
  }
  if (min > max) return { min: 0, max: 1 };
  return min === max ? { min: min - 0.5, max: max + 0.5 } : { min, max };
}

const toggled = (list: readonly string[], entry: string): readonly string[] =>
  list.includes(entry) ? list.filter((other) => other !== entry) : [...list, entry];

function withZoom(
  zooms: Readonly<Record<string, Range>>,
  key: string,
  range: Range | null,
): Readonly<Record<string, Range>> {
  const rest = Object.fromEntries(Object.entries(zooms).filter(([other]) => other !== key));
  return range === null ? rest : { ...rest, [key]: range };
}
