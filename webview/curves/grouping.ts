/** Which series belong into one chart: those of the same quantity, whatever they call the split they come from. */

/** `averaged`: of averages that were made while training went on. */
export type Role = 'train' | 'validation' | 'test' | 'averaged';

export interface NamedSeries {
  readonly key: string;
  /** As logged. */
  readonly tag: string;
  /** Path of the log. */
  readonly source: string;
}

export interface GroupMember<S extends NamedSeries> {
  readonly series: S;
  readonly role: Role;
}

export interface SeriesGroup<S extends NamedSeries> {
  /** The quantity, normalised: "loss", "accuracy", "box loss". Also the title. */
  readonly key: string;
  /** Training, then validation, test and averages. */
  readonly members: readonly GroupMember<S>[];
}

/** As Keras, Lightning, PyTorch loops, HF Trainer and ultralytics write them. */
const ROLES: ReadonlyMap<string, Role> = new Map([
  ['train', 'train'],
  ['training', 'train'],
  ['tr', 'train'],
  ['val', 'validation'],
  ['valid', 'validation'],
  ['validation', 'validation'],
  ['dev', 'validation'],
  ['eval', 'validation'],
  ['evaluation', 'validation'],
  ['test', 'test'],
  ['testing', 'test'],
  ['averaged', 'averaged'],
]);
const ROLE_ORDER: readonly Role[] = ['train', 'validation', 'test', 'averaged'];
/** Say how a value was gathered, not what it is: Keras' `epoch_loss`, Lightning's `loss_step`, ultralytics' `metrics/`. */
const GATHERING: ReadonlySet<string> = new Set(['epoch', 'batch', 'step', 'metrics']);
const SYNONYMS: ReadonlyMap<string, string> = new Map([
  ['acc', 'accuracy'],
  ['lr', 'learning rate'],
]);
/** Quantities that describe the training rather than the model: last. */
const BOOKKEEPING =
  /^(learning rate|epoch|step|iteration|time|wall|duration|runtime|memory|momentum|grad|system|gpu|cpu|tpu|cuda|proc|throughput|\w+ per second|perf)/;
/** Things that a machine has several of, each with its number: `gpu.0.temp` and `gpu.1.temp` belong into one chart. */
const NUMBERED: ReadonlySet<string> = new Set(['gpu', 'cuda', 'tpu', 'device', 'rank', 'worker', 'node']);

/** The quantity that a tag names, and the split where it says so. */
export function parseTag(tag: string): { readonly quantity: string; readonly role: Role | undefined } {
  const words = wordsOf(tag);
  let role: Role | undefined;
  // The split stands in front (`train/loss`, `val_loss`) or behind (`Loss/train`), never in the middle of a name.
  if (words.length > 1) {
    const first = ROLES.get(words[0]!);
    const last = ROLES.get(words.at(-1)!);
    role = first ?? last;
    if (first !== undefined) words.shift();
    else if (last !== undefined) words.pop();
    // `averaged/val_accuracy`: the task's own name for the metric may say a split, too.
    if (role === 'averaged' && words.length > 1 && ROLES.has(words[0]!)) words.shift();
  }
  while (words.length > 1 && GATHERING.has(words[0]!)) words.shift();
  while (words.length > 1 && GATHERING.has(words.at(-1)!)) words.pop();
  const named = words.filter((word, i) => !(/^\d+$/.test(word) && NUMBERED.has(words[i - 1] ?? '')));
  return { quantity: named.map((word) => SYNONYMS.get(word) ?? word).join(' '), role };
}

/** Charts in the order to show them: loss, then what was validated, then the rest, bookkeeping last. */
export function groupSeries<S extends NamedSeries>(series: readonly S[]): readonly SeriesGroup<S>[] {
  const groups = new Map<string, GroupMember<S>[]>();
  for (const entry of series) {
    const { quantity, role } = parseTag(entry.tag);
    const member = { series: entry, role: role ?? roleOfSource(entry.source) ?? 'train' };
    const group = groups.get(quantity);
    if (group === undefined) groups.set(quantity, [member]);
    else group.push(member);
  }
  return [...groups]
    .map(([key, members]) => ({
      key,
      members: members.sort(
        (a, b) =>
          ROLE_ORDER.indexOf(a.role) - ROLE_ORDER.indexOf(b.role) ||
          a.series.tag.localeCompare(b.series.tag) ||
          a.series.source.localeCompare(b.series.source),
      ),
    }))
    .sort((a, b) => rank(a) - rank(b) || a.key.localeCompare(b.key));
}

function rank({ key, members }: SeriesGroup<NamedSeries>): number {
  if (key === 'loss') return 0;
  if (BOOKKEEPING.test(key)) return 3;
  return members.some(({ role }) => role !== 'train') ? 1 : 2;
}

function wordsOf(tag: string): string[] {
  const words = tag
    .split(/[\s/\\_.:-]+/)
    // `valLoss`: a capital after a split's name begins a word; elsewhere (`AdamW`) it does not.
    .flatMap((word) => {
      const [, role, rest] = /^([a-z]+)([A-Z].*)$/.exec(word) ?? [];
      return role !== undefined && rest !== undefined && ROLES.has(role) ? [role, rest] : [word];
    })
    .map((word) => word.toLowerCase())
    .filter((word) => word !== '');
  return words.length === 0 ? [tag] : words;
}

/** Keras' TensorBoard callback writes the same tags into `train/` and `validation/`. */
function roleOfSource(source: string): Role | undefined {
  const [file = '', directory = ''] = source.split(/[/\\]/).reverse();
  return (
    ROLES.get(directory.toLowerCase()) ??
    file
      .toLowerCase()
      .split(/[^a-z]+/)
      .map((word) => ROLES.get(word))
      .find((role) => role !== undefined)
  );
}
