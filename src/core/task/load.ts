/**
 * Reads a twa.json. What is allowed in it says `media/schemas/twa.schema.json` alone, which VS Code completes and
 * validates by; here are only the checks that a schema cannot make.
 */
import { Ajv, type ErrorObject } from 'ajv';
import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import schema from '../../../media/schemas/twa.schema.json' with { type: 'json' };
import { TwaError } from '../errors.ts';
import type { Goal } from '../runs/types.ts';
import { atPlace, type JsonDocument, type JsonPath, parseJson } from './json.ts';
import type {
  ArraySource,
  CommandDeclaration,
  DataDeclaration,
  DeclaredLoss,
  DeclaredMetric,
  Engine,
  ExampleSource,
  PytorchDeclaration,
  TaskFile,
} from './types.ts';

/** A task file as written: what the schema lets through. */
interface TaskText {
  /** Another extension's as it was registered: `publisher.name`. */
  readonly engine?: Exclude<Engine, 'contributed'> | `${string}.${string}`;
  readonly settings?: Readonly<Record<string, unknown>>;
  readonly command?: Partial<CommandDeclaration> & Pick<CommandDeclaration, 'run'>;
  readonly pytorch?: PytorchDeclaration;
  readonly module?: string;
  readonly model?: string;
  readonly data?: DataDeclaration;
  readonly output?: 'logits' | 'probabilities';
  readonly loss?: DeclaredLoss;
  readonly metric: DeclaredMetric | { readonly name: string; readonly goal: Goal };
  readonly batchSize?: number;
  readonly groups?: Readonly<Record<string, string>>;
}

const validate = new Ajv({ allErrors: true, verbose: true, allowUnionTypes: true })
  .addVocabulary(['defaultSnippets', 'enumDescriptions', 'patternErrorMessage'])
  .compile<TaskText>(schema);

const GOALS: Readonly<Record<DeclaredMetric, Goal>> = {
  accuracy: 'maximize',
  meanSquaredError: 'minimize',
  meanAbsoluteError: 'minimize',
};

/** Seconds. */
const DEFAULT_TIMEOUT = 600;

/** What is wrong with the value at a path of the document. */
interface Finding {
  readonly at: JsonPath;
  readonly what: 'key' | 'value';
  readonly sentence: string;
}

/**
 * The task in a twa.json, with defaults filled in and every path absolute. The files it names exist; their contents
 * are not looked at. Throws a TwaError 'not-found' when there is no such file and otherwise 'bad-task' at the line
 * and column of the first thing that is wrong, with everything that is wrong in its details.
 */
export async function loadTask(file: string): Promise<TaskFile> {
  const taskPath = path.resolve(file);
  let text: string;
  try {
    text = await readFile(taskPath, 'utf8');
  } catch (error) {
    throw new TwaError('not-found', `The task file ${taskPath} cannot be read (${reasonOf(error)}).`, {
      place: { path: taskPath },
      cause: error,
    });
  }
  const document = parseJson(taskPath, text, 'bad-task');
  const { value } = document;
  if (!validate(value)) throw badTask(document, (validate.errors ?? []).flatMap(describe));
  const task = resolveTask(taskPath, value);
  const findings = [
    ...checkMetric(value),
    ...checkCommand(value),
    ...checkGroups(value),
    ...checkData(task),
    ...(await checkFiles(task)),
  ];
  if (findings.length > 0) throw badTask(document, findings);
  return task;
}

function badTask(document: JsonDocument, findings: readonly Finding[]): TwaError {
  const placed = findings
    .map(({ at, what, sentence }) => ({ place: document.place(at, what), sentence }))
    .sort(
      (a, b) => (a.place.line ?? 0) - (b.place.line ?? 0) || (a.place.column ?? 0) - (b.place.column ?? 0),
    );
  const sentences = placed.map(({ place, sentence }) => `${atPlace(place)}: ${sentence}`);
  return new TwaError('bad-task', sentences[0] ?? `${document.path} is no task file.`, {
    place: placed[0]?.place ?? { path: document.path },
    details: sentences.slice(1),
  });
}

/** One sentence for one finding of the schema; none for the ones that only repeat another. */
function describe(error: ErrorObject): Finding[] {
  const at = error.instancePath
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
    .map((part) => (/^\d+$/.test(part) ? Number(part) : part));
  const name = at.length === 0 ? 'the task' : `"${at.join('.')}"`;
  const params = error.params as Readonly<Record<string, unknown>>;
  const rule = error.parentSchema as Readonly<Record<string, unknown>> | undefined;
  const value = (sentence: string): Finding[] => [{ at, what: 'value', sentence }];
  switch (error.keyword) {
    case 'if':
    // Its parts tell what is wrong.
    case 'anyOf':
      return [];
    case 'minItems':
    case 'minLength':
      return value(`${name} must not be empty.`);
    case 'required':
      return value(`${name} needs "${String(params['missingProperty'])}".`);
    case 'additionalProperties': {
      const unknown = String(params['additionalProperty']);
      const known = quoted(Object.keys(rule?.['properties'] ?? {}));
      return [
        { at: [...at, unknown], what: 'key', sentence: `"${unknown}" is not known here: use ${known}.` },
      ];
    }
    case 'false schema':
      return [{ at, what: 'key', sentence: `${name} ${misplaced(at, error.schemaPath)}` }];
    case 'enum':
      return value(`${name} must be ${quoted(params['allowedValues'] as readonly unknown[])}.`);
    case 'type':
      return value(`${name} must be ${[params['type']].flat().map(article).join(' or ')}.`);
    case 'pattern':
      // The name of an engine has none: what it can be is told already.
      return typeof rule?.['patternErrorMessage'] === 'string'
        ? value(`${name} is not right: ${rule['patternErrorMessage']}`)
        : [];
    case 'not':
      return value(
        at[0] === 'command' ? `${name} needs "pattern" or "pointer", not both.` : `${name} must not be 0.`,
      );
    default:
      return value(`${name} ${error.message ?? 'is not allowed'}.`);
  }
}

/** Why a name that the schema knows is wrong where it stands. */
function misplaced(at: JsonPath, schemaPath: string): string {
  if (at[0] === 'data' && at.length > 1)
    return 'does not go with "inputs", "targets" and "splits": give one table with splits, or a table per split.';
  if (at[0] === 'command' || at[0] === 'pytorch') return `is for engine "${at[0]}" only.`;
  if (at[0] === 'settings') return 'is for engines of other extensions only.';
  if (schemaPath.includes('/else/else/then/')) return 'does not go with an engine of another extension.';
  return schemaPath.startsWith('#/then/')
    ? 'does not go with engine "command", whose program has model and data of its own.'
    : 'does not go with engine "pytorch": write it in the module.';
}

function resolveTask(taskPath: string, text: TaskText): TaskFile {
  const absolute = (file: string) => path.resolve(path.dirname(taskPath), file);
  const source = (from: ArraySource): ArraySource => ({ ...from, file: absolute(from.file) });
  const examples = (from: ExampleSource): ExampleSource => ({
    inputs: source(from.inputs),
    targets: source(from.targets),
  });
  const data = (from: DataDeclaration): DataDeclaration =>
    'splits' in from
      ? { ...examples(from), splits: absolute(from.splits) }
      : {
          train: examples(from.train),
          validation: examples(from.validation),
          ...(from.test === undefined ? {} : { test: examples(from.test) }),
        };
  const command = (from: NonNullable<TaskText['command']>): CommandDeclaration => ({
    timeout: DEFAULT_TIMEOUT,
    repeats: 1,
    ...from,
    directory: absolute(from.directory ?? '.'),
  });
  const { metric, model, engine = 'tfjs', settings = {} } = text;
  const contributed = isContributed(engine) ? { engine, settings } : undefined;
  return {
    path: taskPath,
    engine: isContributed(engine) ? 'contributed' : engine,
    ...(contributed === undefined ? {} : { contributed }),
    ...(text.groups === undefined ? {} : { groups: text.groups }),
    ...(text.command === undefined ? {} : { command: command(text.command) }),
    ...(text.pytorch === undefined ? {} : { pytorch: text.pytorch }),
    ...(text.module === undefined ? {} : { module: absolute(text.module) }),
    model: model === undefined || model === 'checkpoint' ? 'checkpoint' : absolute(model),
    ...(text.data === undefined ? {} : { data: data(text.data) }),
    output: text.output ?? 'logits',
    ...(text.loss === undefined ? {} : { loss: text.loss }),
    metric: typeof metric === 'string' ? { name: metric, goal: GOALS[metric] } : { ...metric },
    batchSize: text.batchSize ?? 64,
  };
}

/** No engine of ours has a dot in its name. */
function isContributed(engine: NonNullable<TaskText['engine']>): engine is `${string}.${string}` {
  return engine.includes('.');
}

function checkMetric({ metric, module, command, engine = 'tfjs' }: TaskText): Finding[] {
  if (typeof metric === 'string' || isContributed(engine)) return [];
  if (!Object.hasOwn(GOALS, metric.name)) {
    if (module !== undefined || command !== undefined) return [];
    const sentence = `"metric.name" must be ${quoted(Object.keys(GOALS))}; any other metric needs a module that exports metrics.`;
    return [{ at: ['metric', 'name'], what: 'value', sentence }];
  }
  const goal = GOALS[metric.name as DeclaredMetric];
  if (metric.goal === goal) return [];
  return [
    { at: ['metric', 'goal'], what: 'value', sentence: `The goal of ${metric.name} is to ${goal} it.` },
  ];
}

function checkGroups({ groups = {} }: TaskText): Finding[] {
  return Object.keys(groups).flatMap((expression) => {
    try {
      new RegExp(expression, 'u');
      return [];
    } catch (error) {
      return [
        {
          at: ['groups', expression],
          what: 'key' as const,
          sentence: `"${expression}" is no regular expression: ${reasonOf(error)}.`,
        },
      ];
    }
  });
}

function checkCommand({ command }: TaskText): Finding[] {
  if (command?.pattern === undefined) return [];
  const at = ['command', 'pattern'];
  try {
    const { source } = new RegExp(command.pattern);
    // What also matches nothing tells how many groups there are.
    const groups = new RegExp(`${source}|`).exec('')!.length - 1;
    if (groups > 0) return [];
    const sentence = '"command.pattern" needs a group around the number: "accuracy: (\\\\S+)".';
    return [{ at, what: 'value', sentence }];
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return [{ at, what: 'value', sentence: `"command.pattern" is no regular expression: ${reason}.` }];
  }
}

interface PlacedSource {
  readonly at: JsonPath;
  readonly source: ArraySource;
}

function sourcesOf(data: DataDeclaration | undefined): PlacedSource[] {
  if (data === undefined) return [];
  const pair = (at: JsonPath, examples: ExampleSource): PlacedSource[] => [
    { at: [...at, 'inputs'], source: examples.inputs },
    { at: [...at, 'targets'], source: examples.targets },
  ];
  if ('splits' in data) return pair(['data'], data);
  return [
    ...pair(['data', 'train'], data.train),
    ...pair(['data', 'validation'], data.validation),
    ...(data.test === undefined ? [] : pair(['data', 'test'], data.test)),
  ];
}

function checkData({ data }: TaskFile): Finding[] {
  const findings: Finding[] = [];
  for (const { at, source } of sourcesOf(data)) {
    const csv = source.file.endsWith('.csv');
    for (const key of ['columns', 'header'] as const) {
      if (source[key] === undefined || csv) continue;
      findings.push({ at: [...at, key], what: 'key', sentence: `"${key}" is for .csv files only.` });
    }
    if (source.array !== undefined && !source.file.endsWith('.npz')) {
      findings.push({ at: [...at, 'array'], what: 'key', sentence: '"array" is for .npz files only.' });
    }
  }
  if (data !== undefined && !('splits' in data)) findings.push(...checkTablesApart(data));
  return findings;
}

/** The same inputs under two splits would fit, choose and report on the same examples. */
function checkTablesApart(data: Exclude<DataDeclaration, { splits: string }>): Finding[] {
  const seen = new Map<string, string>();
  const findings: Finding[] = [];
  for (const split of ['train', 'validation', 'test'] as const) {
    const inputs = data[split]?.inputs;
    if (inputs === undefined) continue;
    const identity = JSON.stringify([inputs.file, inputs.array]);
    const other = seen.get(identity);
    if (other === undefined) {
      seen.set(identity, split);
      continue;
    }
    const sentence = `${split} and ${other} read the same examples: every split needs its own.`;
    findings.push({ at: ['data', split, 'inputs', 'file'], what: 'value', sentence });
  }
  return findings;
}

async function checkFiles(task: TaskFile): Promise<Finding[]> {
  const named: { at: JsonPath; file: string }[] = sourcesOf(task.data).map(({ at, source }) => ({
    at: [...at, 'file'],
    file: source.file,
  }));
  if (task.data !== undefined && 'splits' in task.data) {
    named.push({ at: ['data', 'splits'], file: task.data.splits });
  }
  if (task.module !== undefined) named.push({ at: ['module'], file: task.module });
  if (task.model !== 'checkpoint') named.push({ at: ['model'], file: task.model });
  const findings = await Promise.all(
    named.map(async ({ at, file }): Promise<Finding[]> => {
      const found = await stat(file).catch(() => undefined);
      if (found?.isFile() === true) return [];
      const sentence = found === undefined ? `There is no file ${file}.` : `${file} is not a file.`;
      return [{ at, what: 'value', sentence }];
    }),
  );
  return [...findings.flat(), ...(await checkDirectory(task))];
}

async function checkDirectory({ command }: TaskFile): Promise<Finding[]> {
  if (command === undefined) return [];
  const found = await stat(command.directory).catch(() => undefined);
  if (found?.isDirectory() === true) return [];
  const sentence = `There is no directory ${command.directory}.`;
  return [{ at: ['command', 'directory'], what: 'value', sentence }];
}

function quoted(names: readonly unknown[]): string {
  const each = names.map((name) => JSON.stringify(name));
  return each.length < 2 ? each.join('') : `${each.slice(0, -1).join(', ')} or ${each.at(-1) ?? ''}`;
}

function article(noun: unknown): string {
  const word = String(noun);
  return `${/^[aeiou]/.test(word) ? 'an' : 'a'} ${word}`;
}

/** 'ENOENT: no such file or directory, open ...' -> 'no such file or directory'. */
function reasonOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return /^[A-Z]+: ([^,]+),/.exec(message)?.[1] ?? message;
}
