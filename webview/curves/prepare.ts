/** From runs to charts: what is drawn where and how, without drawing it. */
import { matcher } from '../../src/core/filter.ts';
import { metricGoal, namesMetric } from '../../src/core/runs/goals.ts';
import type { Theme } from '../shared/theme.ts';
import { type Axis, AXES, type RunAxis, startOf, timeOf } from './axes.ts';
import { placeAt } from './decimate.ts';
import type { EpochScale } from './epochs.ts';
import { type GroupMember, groupSeries, type SeriesGroup } from './grouping.ts';
import type { HealthMark } from '../protocol.ts';
import type { CachedLine, LineCache } from './lineCache.ts';
import { carrier, type MarkedRun, placeAverages, placeCheckpoints, type PlacedMark } from './marks.ts';
import type { Best } from './overlay.ts';
import type { LegendEntry, SectionLine } from './section.ts';
import type { CurvesState, Range } from './state.ts';
import type { StoredRun, StoredSeries } from './store.ts';
import { lineStyles, type LineStyle, runStyle } from './style.ts';

/** With more runs than this only the one in hand has its marks: else nobody sees whose they are. */
const MARKED_RUNS = 6;
/** With more lines than this in a chart the values as logged are not drawn behind their averages. */
const LINES_WITH_VALUES = 16;

export interface PreparedGroup {
  readonly key: string;
  readonly lines: readonly SectionLine[];
  readonly legend: readonly LegendEntry[];
  readonly marks: readonly PlacedMark[];
  readonly best: readonly Best[];
  /** Key of the line that the keyboard walks along. */
  readonly carrier: string | undefined;
  readonly behind: boolean;
  /** One per tag, where bands are drawn in place of lines. */
  readonly bands: readonly { readonly tag: string; readonly style: LineStyle }[];
  readonly pinned: boolean;
  /** Each mark once, with the sentences of all series that it is about. */
  readonly health: readonly Pick<HealthMark, 'kind' | 'mark' | 'sentence'>[];
}

export interface Prepared {
  readonly groups: readonly PreparedGroup[];
  /** The one asked for, if the logs have places on it. */
  readonly axis: Axis;
  readonly knownAxes: ReadonlySet<Axis>;
  /** Everything there is on the axis. */
  readonly fullX: Range;
  /** Of the only run that is shown. */
  readonly scale: EpochScale | undefined;
  /** What places the series of each run, by its directory. */
  readonly axes: ReadonlyMap<string, RunAxis>;
  readonly smoothing: number;
}

export interface PrepareContext {
  readonly cache: LineCache;
  readonly theme: Theme;
  readonly state: CurvesState;
  readonly smoothing: number;
  /** Directory of a run that is to stand out. */
  readonly highlighted: string | undefined;
}

interface RunLines {
  readonly run: StoredRun;
  readonly axis: RunAxis;
  readonly lines: ReadonlyMap<StoredSeries, CachedLine>;
}

export function prepare(runs: readonly StoredRun[], context: PrepareContext): Prepared {
  const { cache, state, smoothing } = context;
  const scaled = runs.map((run) => {
    const series = [...run.series.values()];
    return { run, series, scale: cache.scale(run.directory, series) };
  });
  const knownAxes = axesKnown(scaled);
  const axis = knownAxes.has(state.axis) ? state.axis : 'step';
  const lined = scaled.map(({ run, series, scale }): RunLines => {
    const own: RunAxis = { axis, scale, start: axis === 'relative' ? startOf(series) : undefined };
    return { run, axis: own, lines: cache.lines(series, own, smoothing) };
  });
  const byRun = new Map(lined.map((one) => [one.run.directory, one]));
  const matches = matcher(state.filter);
  const groups = pinnedFirst(
    groupSeries(scaled.flatMap(({ series }) => series)).flatMap((group) => {
      const members = group.members.filter(({ series: { tag } }) => matches(tag) || matches(group.key));
      return members.length === 0 ? [] : [{ ...group, members }];
    }),
    state.pinned,
  );
  return {
    groups: groups.map((group) => prepareGroup(group, byRun, context)),
    axis,
    knownAxes,
    fullX: extent(
      lined.flatMap(({ lines }) => [...lines.values()]),
      state.logX,
    ),
    scale: scaled.length === 1 ? scaled[0]!.scale : undefined,
    axes: new Map(lined.map((one) => [one.run.directory, one.axis])),
    smoothing,
  };
}

function prepareGroup(
  group: SeriesGroup<StoredSeries>,
  runs: ReadonlyMap<string, RunLines>,
  context: PrepareContext,
): PreparedGroup {
  const { theme, state, highlighted } = context;
  const { members } = group;
  const several = runs.size > 1;
  const tags = new Set(members.map(({ series }) => series.tag));
  const styles = several ? runStyles(members, context) : lineStyles(members, theme);
  const lines = members.map(({ series }, index): SectionLine => {
    const { run, lines } = runs.get(series.run)!;
    return {
      key: series.key,
      run: run.directory,
      tag: series.tag,
      label: several ? (tags.size > 1 ? `${run.name} ${series.tag}` : run.name) : series.tag,
      style: styles[index]!,
      hidden: state.hidden.includes(series.tag),
      ...lines.get(series)!,
    };
  });
  // The one that stands out lies above all others.
  if (highlighted !== undefined) {
    lines.sort((a, b) => Number(a.run === highlighted) - Number(b.run === highlighted));
  }
  const byKey = new Map(lines.map((line) => [line.key, line]));
  const marks: PlacedMark[] = [];
  const best: Best[] = [];
  for (const { run, axis } of runs.values()) {
    if (runs.size > MARKED_RUNS && run.directory !== highlighted) continue;
    const own = members.filter(({ series }) => series.run === run.directory);
    const carrying = carrier(own)?.series;
    const line = carrying && byKey.get(carrying.key);
    const marked: MarkedRun = {
      directory: run.directory,
      color: several ? (line?.style.color ?? theme.foreground) : undefined,
      axis,
      timeOf: (step) => (carrying === undefined ? undefined : timeOf(carrying, step)),
    };
    if (line !== undefined && !line.hidden) {
      marks.push(...placeCheckpoints(run.checkpoints, line.tag, line.raw, marked));
      best.push(...bestOf(line));
    }
    marks.push(...placeAverages(run.averages, group, marked));
  }
  const legend = several ? tagLegend(members, lines, context) : lines.map((line) => ({ ...line, line }));
  return {
    key: group.key,
    lines,
    legend,
    marks,
    best,
    carrier: carrier(members)?.series.key,
    behind: lines.filter(({ hidden }) => !hidden).length <= LINES_WITH_VALUES,
    bands: several && state.envelope ? legend : [],
    pinned: state.pinned.includes(group.key),
    health: healthIn(group, runs),
  };
}

function pinnedFirst<G extends { readonly key: string }>(
  groups: readonly G[],
  pinned: readonly string[],
): readonly G[] {
  return [
    ...groups.filter(({ key }) => pinned.includes(key)),
    ...groups.filter(({ key }) => !pinned.includes(key)),
  ];
}

function healthIn(
  { members }: SeriesGroup<StoredSeries>,
  runs: ReadonlyMap<string, RunLines>,
): PreparedGroup['health'] {
  const marks = new Map<string, { kind: HealthMark['kind']; mark: string; sentence: string }>();
  for (const { run } of runs.values()) {
    for (const { kind, tag, mark, sentence } of run.health) {
      if (!members.some(({ series }) => series.run === run.directory && series.tag === tag)) continue;
      const text = runs.size > 1 ? `${run.name}: ${sentence}` : sentence;
      const known = marks.get(kind);
      if (known === undefined) marks.set(kind, { kind, mark, sentence: text });
      else known.sentence += `\n${text}`;
    }
  }
  return [...marks.values()];
}

function runStyles(
  members: readonly GroupMember<StoredSeries>[],
  { theme, state, highlighted }: PrepareContext,
): readonly LineStyle[] {
  const roles = new Set(members.map(({ role }) => role)).size;
  return members.map(({ series, role }) => {
    const style = runStyle(state.colors[series.run] ?? 0, role, roles, theme);
    return highlighted === series.run ? { ...style, width: style.width + 1.5 } : style;
  });
}

/** With several runs the legend names tags: colours mean the runs, and those are in their list. Bands have the tag's. */
function tagLegend(
  members: readonly GroupMember<StoredSeries>[],
  lines: readonly SectionLine[],
  { theme, state }: PrepareContext,
): readonly LegendEntry[] {
  const firsts = [...new Map([...members].reverse().map((member) => [member.series.tag, member])).values()];
  firsts.reverse();
  const roles = new Set(firsts.map(({ role }) => role)).size;
  const hidden = new Set(lines.flatMap((line) => (line.hidden ? [line.tag] : [])));
  const ownStyles = lineStyles(firsts, theme);
  return firsts.map(({ series: { tag }, role }, index) => ({
    tag,
    hidden: hidden.has(tag),
    style: state.envelope
      ? ownStyles[index]!
      : { ...runStyle(0, role, roles, theme), color: theme.foreground },
    line: undefined,
  }));
}

/** Where better has a direction. */
function bestOf({ tag, raw, style }: SectionLine): readonly Best[] {
  if (!namesMetric(tag)) return [];
  const goal = metricGoal(tag);
  const index = goal === 'minimize' ? raw.lowest : raw.highest;
  return index < 0 ? [] : [{ x: placeAt(raw, index), y: raw.y[index]!, color: style.color, goal }];
}

function axesKnown(
  runs: readonly { readonly series: readonly StoredSeries[]; readonly scale: EpochScale | undefined }[],
): ReadonlySet<Axis> {
  const epochs = runs.some(({ scale }) => scale !== undefined);
  const times = runs.some(({ series }) => series.some(({ timed }) => timed));
  return new Set(AXES.filter((axis) => axis === 'step' || (axis === 'epoch' ? epochs : times)));
}

/** Never empty: a single point gets room around it. On a logarithmic axis it begins with the first place above zero. */
function extent(lines: readonly CachedLine[], log: boolean): Range {
  let min = Infinity;
  let max = -Infinity;
  for (const { raw } of lines) {
    const { length } = raw.x;
    if (length === 0) continue;
    let first = 0;
    while (log && first < length - 1 && !(placeAt(raw, first) > 0)) first += 1;
    const place = placeAt(raw, first);
    if (!log || place > 0) min = Math.min(min, place);
    max = Math.max(max, placeAt(raw, length - 1));
  }
  if (min > max) return log ? { min: 1, max: 10 } : { min: 0, max: 1 };
  if (min === max) return log ? { min: min / 2, max: max * 2 } : { min: min - 0.5, max: max + 0.5 };
  return { min, max };
}
