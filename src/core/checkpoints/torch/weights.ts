/**
 * Which tensors of a checkpoint are its weights. Trainers save very different things; the rules, first match wins:
 * 1. a pickled module: its parameters, buffers and submodules, named as in its state_dict;
 * 2. a dictionary with one of {@link WEIGHT_KEYS}: what is under it, a state_dict or a module;
 * 3. a dictionary with tensors directly in it: a plain state_dict;
 * 4. several state_dicts side by side ({"generator": ..., "discriminator": ...}): all of them, names prefixed.
 * Optimizer state is never a weight.
 */
import { entriesOf, isTensor, sequence, TorchError } from './tensors.ts';
import { Made, type Value } from './unpickle.ts';

export interface NamedTensor {
  readonly name: string;
  readonly value: Made;
}

export interface Weights {
  readonly tensors: readonly NamedTensor[];
  /** Key of the dictionary they were found under; undefined for a plain state_dict or module. */
  readonly under: string | undefined;
  /** Other top-level keys that hold tensors or dictionaries: kept as they are in a copy. */
  readonly kept: readonly string[];
  /** Top-level keys of the state of optimizer, schedulers and gradient scaler. */
  readonly optimizer: readonly string[];
  /** Further sets of weights in the same file (an exponential moving average): kept as they are, too. */
  readonly others: readonly string[];
  /** Numbers, texts and flags directly in the dictionary: epoch, global_step, versions. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** In order of precedence: Lightning, timm, common habits, ultralytics, DeepSpeed. */
export const WEIGHT_KEYS: readonly string[] = [
  'state_dict',
  'model_state_dict',
  'model',
  'model_state',
  'net',
  'network',
  'module',
  'weights',
  'params',
  'state_dict_ema',
  'model_ema',
  'ema_state_dict',
  'ema',
];

const NEVER_WEIGHTS = /optim|sched|scaler|rng|random|^(?:loss|hyper_parameters|args|config|callbacks|loops)/i;
/** `optimizer`, `optimizer_states` and `lr_schedulers` (Lightning), `amp_scaler` (timm), `optim`. */
const OPTIMIZER_KEY =
  /^(?:[a-z0-9]+_)?(?:optim|optims|optimizers?|opt)(?:_states?|_state_dicts?|_dict)?$|^(?:lr_)?schedulers?(?:_states?|_state_dicts?)?$|^(?:amp_|grad_|loss_)?scalers?(?:_states?|_state_dicts?)?$/i;
const MAX_DEPTH = 64;
/** Of tensors and of nodes on the way to them: a dictionary may hold itself, or one dictionary a million times. */
const MAX_VISITS = 500_000;
const MAX_NAME = 2000;
const MAX_METADATA = 100;
const MAX_METADATA_TEXT = 500;

/** @throws TorchError when there are none. */
export function findWeights(root: Value): Weights {
  const entries = entriesOf(root);
  if (entries === undefined) {
    const tensors = new Collector().collect(root, '');
    if (tensors.length > 0)
      return { tensors, under: undefined, kept: [], optimizer: [], others: [], metadata: {} };
    throw new TorchError('holds no weights: it is neither a state_dict nor a module.');
  }
  const metadata = scalarsOf(entries);
  for (const key of WEIGHT_KEYS) {
    const value = entries.get(key);
    if (value === undefined || isOptimizer(value)) continue;
    // A parameter called "weights" beside others is a tensor, no wrapper.
    if (isTensor(value)) continue;
    const tensors = new Collector().collect(value, '');
    if (tensors.length > 0) {
      const others = WEIGHT_KEYS.filter((other) => other !== key && isWeights(entries.get(other)));
      const kept = structured(entries, [key, ...others]);
      return { tensors, under: key, kept, optimizer: optimizerKeys(entries), others, metadata };
    }
  }
  const collector = new Collector();
  const nested = [...entries].filter(
    ([key, value]) => !isTensor(value) && !isNeverWeights(key) && !isOptimizer(value),
  );
  for (const [key, value] of nested) collector.collect(value, nameOf(key));
  const tensors = [...entries].filter(([, value]) => isTensor(value));
  const named = tensors.filter(([key]) => !isNeverWeights(key));
  // One tensor beside state_dicts is a loss; states of random generators are none either.
  const direct = collector.tensors.length === 0 ? tensors : named.length > 1 ? named : [];
  for (const [key, value] of direct) collector.collect(value, nameOf(key));
  if (collector.tensors.length === 0) {
    const keys = [...entries.keys()]
      .filter((key): key is string => typeof key === 'string' && key.length < 100)
      .slice(0, 8);
    throw new TorchError(
      `holds no weights that are recognised${keys.length === 0 ? '' : `; its keys are: ${keys.join(', ')}`}.`,
    );
  }
  const used = new Set(collector.tensors.map(({ name }) => name.split('.', 1)[0]!));
  return {
    tensors: collector.tensors,
    under: undefined,
    kept: structured(entries, [...used]),
    optimizer: optimizerKeys(entries),
    others: [],
    metadata,
  };
}

function isNeverWeights(key: Value): boolean {
  return typeof key === 'string' && NEVER_WEIGHTS.test(key);
}

class Collector {
  readonly tensors: NamedTensor[] = [];
  readonly #names = new Set<string>();
  #visits = 0;

  collect(value: Value, name: string, depth = 0): NamedTensor[] {
    if (++this.#visits > MAX_VISITS || depth > MAX_DEPTH) {
      throw new TorchError('nests its weights deeper or more often than any model does.');
    }
    if (isTensor(value)) {
      this.#add(name === '' ? 'tensor' : name, value);
      return this.tensors;
    }
    const entries = entriesOf(value);
    if (entries !== undefined) {
      if (isOptimizer(value)) return this.tensors;
      for (const [key, item] of entries) this.collect(item, join(name, nameOf(key)), depth + 1);
      return this.tensors;
    }
    const module = moduleOf(value);
    if (module !== undefined) {
      this.#module(module, name, depth);
      return this.tensors;
    }
    const items = sequence(value);
    if (items !== undefined && items.some((item) => isTensor(item))) {
      for (const [i, item] of items.entries()) this.collect(item, join(name, String(i)), depth + 1);
    }
    return this.tensors;
  }

  /** In the order of `torch.nn.Module.state_dict`: parameters, persistent buffers, submodules. */
  #module(attributes: ReadonlyMap<Value, Value>, name: string, depth: number): void {
    const transient = new Set(setItems(attributes.get('_non_persistent_buffers_set')));
    for (const [key, value] of entriesOf(attributes.get('_parameters') ?? null) ?? []) {
      if (isTensor(value)) this.collect(value, join(name, nameOf(key)), depth + 1);
    }
    for (const [key, value] of entriesOf(attributes.get('_buffers') ?? null) ?? []) {
      if (isTensor(value) && !transient.has(key)) this.collect(value, join(name, nameOf(key)), depth + 1);
    }
    for (const [key, value] of entriesOf(attributes.get('_modules') ?? null) ?? []) {
      if (moduleOf(value) !== undefined) this.collect(value, join(name, nameOf(key)), depth + 1);
    }
  }

  #add(name: string, value: Made): void {
    if (name.length > MAX_NAME) throw new TorchError(`names a tensor by ${name.length} characters.`);
    if (this.#names.has(name)) throw new TorchError(`has two tensors called ${name}.`);
    this.#names.add(name);
    this.tensors.push({ name, value });
  }
}

/** The attributes of a pickled `torch.nn.Module`, whatever its class. */
function moduleOf(value: Value): ReadonlyMap<Value, Value> | undefined {
  if (!(value instanceof Made)) return undefined;
  const attributes = entriesOf(value.state);
  return attributes?.has('_parameters') === true && attributes.has('_modules') ? attributes : undefined;
}

/** `{"state": ..., "param_groups": ...}` */
function isOptimizer(value: Value): boolean {
  const entries = entriesOf(value);
  return entries?.has('param_groups') === true && entries.has('state');
}

/** Of a set literal, or of `set([...])` as protocol 2 has it. */
function setItems(value: Value | undefined): readonly Value[] {
  if (value instanceof Made) return sequence(sequence(value.args)?.[0]) ?? value.items ?? [];
  return sequence(value) ?? [];
}

function isWeights(value: Value | undefined): boolean {
  if (value === undefined || isTensor(value) || isOptimizer(value)) return false;
  return moduleOf(value) !== undefined || [...(entriesOf(value)?.values() ?? [])].some(isTensor);
}

/** Only what holds something: `"optimizer": "adam"` is a setting. */
function optimizerKeys(entries: ReadonlyMap<Value, Value>): string[] {
  return [...entries].flatMap(([key, value]) => {
    if (typeof key !== 'string' || isTensor(value) || typeof value !== 'object' || value === null) return [];
    return OPTIMIZER_KEY.test(key) || isOptimizer(value) ? [key] : [];
  });
}

function structured(entries: ReadonlyMap<Value, Value>, used: readonly string[]): string[] {
  const kept: string[] = [];
  for (const [key, value] of entries) {
    if (used.includes(nameOf(key))) continue;
    if (isTensor(value) || entriesOf(value) !== undefined || value instanceof Made) kept.push(nameOf(key));
    else if ((sequence(value)?.length ?? 0) > 0) kept.push(nameOf(key));
  }
  return kept.slice(0, MAX_METADATA);
}

function scalarsOf(entries: ReadonlyMap<Value, Value>): Record<string, string> {
  const found: [string, string][] = [];
  for (const [key, value] of entries) {
    if (typeof key !== 'string' || key.length > MAX_METADATA_TEXT || found.length >= MAX_METADATA) continue;
    if (typeof value === 'number' || typeof value === 'boolean') found.push([key, String(value)]);
    else if (typeof value === 'string' && value.length <= MAX_METADATA_TEXT) found.push([key, value]);
  }
  return Object.fromEntries(found);
}

function nameOf(key: Value): string {
  if (typeof key === 'string' || typeof key === 'number' || typeof key === 'bigint') return String(key);
  throw new TorchError('names a tensor by something that is neither text nor a number.');
}

function join(prefix: string, name: string): string {
  return prefix === '' ? name : `${prefix}.${name}`;
}
