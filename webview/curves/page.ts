/** The learning-curve page: keeps the store and the user's choices, and draws them together. */
import { emptyState, h, onClick } from '../shared/dom.ts';
import { type Editor, fill, oncePerFrame } from '../shared/editor.ts';
import { readTheme } from '../shared/theme.ts';
import type { ExportFormat, FromCurves, ToCurves } from '../protocol.ts';
import type { CurvesStrings } from '../strings.ts';

import { assignPlaces } from './colors.ts';
import { exportPicture } from './export.ts';
import { LineCache } from './lineCache.ts';
import type { PlacedMark } from './marks.ts';
import { markTable } from './markTable.ts';
import { type Prepared, prepare, type PreparedGroup } from './prepare.ts';
import { RunList } from './runList.ts';
import { Section, type SectionInput } from './section.ts';
import { SelectionBar } from './selectionBar.ts';
import { type CurvesState, defaultSmoothing, type Range, readState } from './state.ts';
import { CurvesStore } from './store.ts';
import { runStyle } from './style.ts';
import { describeHover, formatOn } from './tooltip.ts';
import { Toolbar } from './toolbar.ts';

/** Milliseconds between two pictures while more is on its way, and how often as long as drawing took it is at least. */
const LOADING_MS = 120;
const LOADING_SHARE = 8;
/** Milliseconds between two notes of where the user has zoomed or scrolled to. */
const REMEMBER_MS = 150;

export class CurvesPage {
  readonly #editor: Editor<FromCurves, CurvesState>;
  readonly #strings: CurvesStrings;
  readonly #store = new CurvesStore();
  readonly #toolbar: Toolbar;
  readonly #runList: RunList;
  readonly #selection: SelectionBar;
  readonly #content = h('div', { class: 'content' });
  readonly #body: HTMLElement;
  readonly #charts = h('div', { class: 'charts' });
  readonly #marks = h('div', {});
  readonly #sections = new Map<string, Section>();
  readonly #cache = new LineCache();
  readonly #draw = oncePerFrame(() => {
    const begun = performance.now();
    this.#render();
    const ended = performance.now();
    this.#drawNext = ended + Math.max(LOADING_MS, LOADING_SHARE * (ended - begun));
  });
  readonly #visibility = new IntersectionObserver((entries) => this.#sawCharts(entries), {
    rootMargin: '80px',
  });
  #theme = readTheme();
  #state: CurvesState;
  #known = false;
  /** What the charts show; undefined when it has to be made anew. A zoom does not change it. */
  #prepared: Prepared | undefined;
  #version = 0;
  #highlighted: string | undefined;
  #remembering: number | undefined;
  #scrolled = false;
  /** While more is on its way, when to draw what has come so far. */
  #drawNext = 0;

  constructor(root: HTMLElement, editor: Editor<FromCurves, CurvesState>, strings: CurvesStrings) {
    this.#editor = editor;
    this.#strings = strings;
    this.#state = readState(editor.state());
    const selectRuns = (directories: readonly string[] | null): void =>
      editor.send({ kind: 'selectRuns', directories });
    this.#toolbar = new Toolbar(strings, {
      toggleRunList: () => this.#choose({ runList: !this.#runListOpen }),
      setAxis: (axis) => this.#choose({ axis, xZoom: null }),
      toggleLogX: () => this.#choose({ logX: !this.#state.logX, xZoom: null }),
      setSmoothing: (smoothing) => {
        editor.send({ kind: 'smoothing', smoothing });
        this.#choose({ smoothing });
      },
      toggleEnvelope: () => this.#choose({ envelope: !this.#state.envelope }),
      toggleSelecting: () => this.#choose({ selecting: !this.#state.selecting }),
      resetZoom: () => this.#zoom({ xZoom: null, yZoom: {} }),
      toggleTable: () => this.#choose({ table: !this.#state.table }),
      setFilter: (filter) => this.#choose({ filter }),
      export: () => editor.send({ kind: 'export' }),
    });
    this.#runList = new RunList(strings, {
      selectRuns,
      setFilter: (runFilter) => this.#choose({ runFilter }),
      highlight: (directory) => {
        if (directory === this.#highlighted) return;
        this.#highlighted = directory;
        if (this.#store.shown.size > 1) this.#redraw();
      },
    });
    this.#selection = new SelectionBar(strings, {
      average: () => this.#averageSelected(),
      clear: () => this.#choose({ selection: null }),
    });
    this.#body = h('div', { class: 'body' }, this.#runList.element, this.#content);
    const heading = h('h1', { class: 'visually-hidden' }, strings.heading);
    root.append(heading, this.#toolbar.element, this.#body, this.#selection.element);
    if (this.#state.smoothing !== null) {
      editor.send({ kind: 'smoothing', smoothing: this.#state.smoothing });
    }
    // What sticks below the toolbar has to know how high it is: it wraps.
    new ResizeObserver(() => {
      root.style.setProperty('--toolbar-height', `${this.#toolbar.element.offsetHeight}px`);
    }).observe(this.#toolbar.element);
    document.addEventListener('scroll', () => this.#rememberSoon());
    window.addEventListener('pagehide', () => this.#remember());
  }

  receive(message: ToCurves): void {
    const before = new Set(this.#store.shown.keys());
    if (!this.#store.apply(message)) {
      this.#editor.send({ kind: 'resync' });
      return;
    }
    const { shown, wanted } = this.#store;
    // A zoom belongs to what it was made for; the one that was remembered belongs to the runs that come first.
    const others =
      this.#known && before.size > 0 && ![...shown.keys()].some((directory) => before.has(directory));
    this.#state = { ...this.#state, runs: wanted, ...(others ? { xZoom: null, yZoom: {} } : {}) };
    this.#known = true;
    this.#rememberSoon();
    if (!this.#store.more || performance.now() >= this.#drawNext) this.#redraw();
    else this.#workAhead(message);
  }

  /** Lines are made while their points come in, so that not all of them are made in one frame. */
  #workAhead(message: ToCurves): void {
    if (this.#prepared === undefined) return;
    const { groups, axes, smoothing } = this.#prepared;
    /** By series, the charts that can be seen. */
    const seen = new Map(
      groups
        .filter(({ key }) => this.#sections.get(key)?.plot.seen === true)
        .flatMap((group) => group.lines.map(({ key }) => [key, group] as const)),
    );
    for (const { directory } of message.kind === 'snapshot' ? message.shown : message.changed) {
      const axis = axes.get(directory);
      const series = [...(this.#store.shown.get(directory)?.series.values() ?? [])];
      if (axis === undefined) continue;
      for (const [{ key }, { raw, smoothed }] of this.#cache.lines(series, axis, smoothing)) {
        const group = seen.get(key);
        if (group === undefined) continue;
        const positive = this.#state.log.includes(group.key);
        smoothed?.pyramid(positive);
        if (smoothed === undefined || group.behind) raw.pyramid(positive);
      }
    }
  }

  themeChanged(): void {
    this.#theme = readTheme();
    this.#redraw();
  }

  #choose(change: Partial<CurvesState>): void {
    this.#state = { ...this.#state, ...change };
    this.#remember();
    this.#redraw();
  }

  /** What costs no more than drawing. */
  #zoom(change: Pick<Partial<CurvesState>, 'xZoom' | 'yZoom'>): void {
    this.#state = { ...this.#state, ...change };
    this.#rememberSoon();
    this.#draw();
  }

  #redraw(): void {
    this.#prepared = undefined;
    this.#draw();
  }

  #rememberSoon(): void {
    this.#remembering ??= window.setTimeout(() => this.#remember(), REMEMBER_MS);
  }

  #remember(): void {
    clearTimeout(this.#remembering);
    this.#remembering = undefined;
    if (this.#scrolled) this.#state = { ...this.#state, scroll: document.documentElement.scrollTop };
    this.#editor.remember(this.#state);
  }

  get #runListOpen(): boolean {
    return this.#state.runList ?? this.#store.shown.size > 1;
  }

  get #zoomed(): boolean {
    return this.#state.xZoom !== null || Object.keys(this.#state.yZoom).length > 0;
  }

  #render(): void {
    if (!this.#known) return;
    if (this.#prepared !== undefined) {
      for (const group of this.#prepared.groups)
        this.#sections.get(group.key)?.zoom(this.#zoomsOf(group.key));
      this.#toolbar.showZoomed(this.#zoomed);
      return;
    }
    const { runs, wanted, shown } = this.#store;
    const colors = assignPlaces(
      [...new Set([...runs.map(({ directory }) => directory), ...shown.keys()])],
      this.#state.colors,
    );
    if (colors !== this.#state.colors) {
      this.#state = { ...this.#state, colors };
      this.#rememberSoon();
    }
    const { series } = this.#store;
    const longest = series.reduce((most, { length }) => Math.max(most, length), 0);
    const smoothing = this.#state.smoothing ?? defaultSmoothing(longest);
    this.#version += 1;
    const prepared = prepare([...shown.values()], {
      cache: this.#cache,
      theme: this.#theme,
      state: this.#state,
      smoothing,
      highlighted: this.#highlighted,
    });
    this.#prepared = prepared;
    const empty = this.#emptyState();
    // Nothing to choose from yet.
    this.#toolbar.element.hidden = runs.length === 0 && shown.size === 0;
    this.#toolbar.render({
      shown: [...shown.values()].map(({ name }) => name),
      followsNewest: wanted === null,
      runList: this.#runListOpen,
      axis: prepared.axis,
      known: prepared.knownAxes,
      logX: this.#state.logX,
      smoothing,
      severalRuns: shown.size > 1,
      envelope: this.#state.envelope,
      selecting: this.#state.selecting,
      zoomed: this.#zoomed,
      table: this.#state.table,
      filter: this.#state.filter,
      charts: empty === undefined,
      filtered: this.#store.series.length > 0 && prepared.groups.length === 0,
    });
    this.#runList.element.hidden = !this.#runListOpen || runs.length === 0;
    this.#body.classList.toggle('with-runs', !this.#runList.element.hidden);
    this.#runList.render({
      runs,
      wanted,
      filter: this.#state.runFilter,
      shown: new Set(shown.keys()),
      styleOf: (directory) =>
        shown.size < 2 ? undefined : runStyle(colors[directory] ?? 0, 'validation', 1, this.#theme),
    });
    this.#renderSelection();
    if (empty !== undefined) {
      this.#dropSections(new Set());
      this.#content.replaceChildren(empty);
      return;
    }
    if (this.#charts.parentElement !== this.#content) {
      this.#content.replaceChildren(this.#charts, this.#marks);
    }
    this.#renderCharts(prepared);
    this.#showBusy();
    this.#marks.replaceChildren(
      ...(this.#state.table
        ? [...shown.values()].map((run) =>
            markTable(run, this.#strings, shown.size > 1 ? run.name : undefined, {
              reveal: (path) => this.#editor.send({ kind: 'reveal', path }),
              openReport: (path) => this.#editor.send({ kind: 'openReport', path }),
            }),
          )
        : []),
    );
    if (!this.#scrolled) {
      this.#scrolled = true;
      if (this.#state.scroll > 0) document.documentElement.scrollTop = this.#state.scroll;
    }
  }

  #renderCharts({ groups, axis, fullX }: Prepared): void {
    this.#dropSections(new Set(groups.map(({ key }) => key)));
    let previous: Element | undefined;
    const drawn: (() => void)[] = [];
    for (const group of groups) {
      const { key } = group;
      const input: SectionInput = {
        ...group,
        ...this.#zoomsOf(key),
        theme: this.#theme,
        fullX,
        axis,
        logX: this.#state.logX,
        log: this.#state.log.includes(key),
        xTitle: this.#strings[axis].toLowerCase(),
        language: document.documentElement.lang,
        selecting: this.#state.selecting,
        selected: new Set(this.#state.selection?.paths),
        table: this.#state.table,
        version: this.#version,
      };
      let section = this.#sections.get(key);
      if (section === undefined) {
        section = this.#newSection(key, input);
        this.#sections.set(key, section);
        this.#visibility.observe(section.element);
      }
      // Moving an element takes its focus: only when it is not in its place.
      const place = previous === undefined ? this.#charts.firstElementChild : previous.nextElementSibling;
      if (place !== section.element) this.#charts.insertBefore(section.element, place);
      previous = section.element;
      const shown = section;
      shown.render(input);
      drawn.push(() => shown.draw(input));
    }
    for (const draw of drawn) draw();
  }

  /** Whether there is more to come, or to be drawn sharp: for screen readers, and whoever wants to know when it is. */
  #showBusy(): void {
    const busy = this.#store.more || [...this.#sections.values()].some(({ plot }) => !plot.finished);
    this.#content.setAttribute('aria-busy', String(busy));
  }

  #zoomsOf(key: PreparedGroup['key']): { readonly xZoom: Range | null; readonly yZoom: Range | null } {
    return { xZoom: this.#state.xZoom, yZoom: this.#state.yZoom[key] ?? null };
  }

  #newSection(key: string, input: SectionInput): Section {
    return new Section(key, this.#strings, input, {
      zoomX: (xZoom) => this.#zoom({ xZoom }),
      zoomY: (range) => this.#zoom({ yZoom: withZoom(this.#state.yZoom, key, range) }),
      cursor: (x) => {
        for (const [other, section] of this.#sections) if (other !== key) section.plot.showCursor(x);
      },
      activate: (mark) =>
        this.#editor.send(
          mark.kind === 'average'
            ? { kind: 'openReport', path: mark.mark.reportPath }
            : { kind: 'reveal', path: mark.mark.path },
        ),
      select: (marks) => this.#select(key, marks),
      averageSelected: () => this.#averageSelected(),
      drawn: () => this.#showBusy(),
      describe: (hover, tooltip) =>
        describeHover(hover, tooltip, {
          strings: this.#strings,
          axis: this.#prepared?.axis ?? 'step',
          language: document.documentElement.lang,
          otherPlaces: (x) => this.#otherPlaces(x),
        }),
      toggleLine: (tag) => this.#choose({ hidden: toggled(this.#state.hidden, tag) }),
      toggleLog: () => this.#choose({ log: toggled(this.#state.log, key) }),
      togglePin: () => this.#choose({ pinned: toggled(this.#state.pinned, key) }),
    });
  }

  /** An epoch's step and a step's epoch. With several runs each has its own. */
  #otherPlaces(x: number): readonly string[] {
    const { axis, scale } = this.#prepared ?? {};
    if (scale === undefined || (axis !== 'epoch' && axis !== 'step')) return [];
    const other = axis === 'epoch' ? 'step' : 'epoch';
    const place = axis === 'epoch' ? Math.round(scale.stepOf(x)) : scale.epochOf(x);
    if (!Number.isFinite(place)) return [];
    return [`${this.#strings[other].toLowerCase()} ${formatOn(other, place, '')}`];
  }

  #select(key: string, marks: readonly PlacedMark[]): void {
    const [first] = marks;
    const announce = (text: string): void => this.#sections.get(key)?.plot.announce(text);
    if (first === undefined) {
      announce(this.#strings.noneSelected);
      this.#choose({ selection: null });
      return;
    }
    const paths = marks.map(({ mark }) => mark.path);
    this.#choose({ selection: { directory: first.run, paths } });
    announce(this.#renderSelection());
  }

  /** Gives what it says. */
  #renderSelection(): string {
    const { selection } = this.#state;
    const run = selection === null ? undefined : this.#store.shown.get(selection.directory);
    const names = run?.checkpoints.flatMap(({ path, name }) =>
      selection?.paths.includes(path) === true ? [name] : [],
    );
    if (run === undefined || names === undefined || names.length === 0) {
      return this.#selection.render(undefined);
    }
    return this.#selection.render({ names, run: this.#store.shown.size > 1 ? run.name : undefined });
  }

  #averageSelected(): void {
    const { selection } = this.#state;
    if (selection !== null) this.#editor.send({ kind: 'averageRange', ...selection });
  }

  /** Sends what is shown, to be saved. */
  async export(format: ExportFormat): Promise<void> {
    const groups = this.#prepared?.groups ?? [];
    if (format === 'csv' || format === 'json') {
      const series = groups.flatMap(({ lines }) =>
        lines.filter(({ hidden }) => !hidden).map(({ key }) => key),
      );
      this.#editor.send({ kind: 'exportData', format, series });
      return;
    }
    const charts = groups.flatMap(({ key, lines, legend }) => {
      const section = this.#sections.get(key);
      return section === undefined ? [] : [{ title: key, lines, legend, plot: section.plot }];
    });
    const names = [...this.#store.shown.values()].map(({ name }) => name).join(', ');
    const content = await exportPicture(format, charts, names, this.#theme);
    this.#editor.send({ kind: 'exportPicture', format, content });
  }

  #emptyState(): HTMLElement | undefined {
    const strings = this.#strings;
    const { scanning, wanted, shown, runs } = this.#store;
    if (shown.size === 0) {
      if (scanning) return emptyState(strings.scanning);
      if (wanted?.length === 0 && runs.length > 0)
        return emptyState(strings.noRunShown, strings.noRunShownHint);
      if (wanted !== null) return emptyState(strings.runGone, strings.runGoneHint);
      const watch = h('button', { type: 'button', class: 'primary' }, strings.watchFolder);
      return emptyState(
        strings.noRuns,
        strings.noRunsHint,
        onClick(watch, () => this.#editor.send({ kind: 'watchFolder' })),
      );
    }
    if (this.#prepared?.groups.length === 0 && this.#store.series.length > 0) {
      return emptyState(strings.noneMatches, fill(strings.noneMatchesHint, this.#state.filter));
    }
    if (this.#store.series.length > 0 || this.#store.more) return undefined;
    const checkpoints = [...shown.values()].reduce((sum, run) => sum + run.checkpoints.length, 0);
    return emptyState(strings.noSeries, fill(strings.noSeriesHint, checkpoints));
  }

  #sawCharts(entries: readonly IntersectionObserverEntry[]): void {
    for (const { target, isIntersecting } of entries) {
      for (const section of this.#sections.values()) {
        if (section.element === target) section.plot.seen = isIntersecting;
      }
    }
  }

  #dropSections(keep: ReadonlySet<string>): void {
    for (const [key, section] of this.#sections) {
      if (keep.has(key)) continue;
      this.#visibility.unobserve(section.element);
      section.dispose();
      this.#sections.delete(key);
    }
  }
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
