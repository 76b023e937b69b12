/** Models: layers one after another (Sequential), or a graph of calls of them (Functional, of Keras 2 and 3). */
import { isRecord } from '../../core/checkpoints/json.ts';
import type { Fields } from '../../core/keras/architecture.ts';
import { tf } from '../tf.ts';
import type { Tensor } from '../tf.ts';
import { emptyLayer, nameOf } from './build.ts';
import type { TreeBuilder } from './build.ts';
import { Refusal } from './config.ts';
import { callLayer, tensorsIn } from './layer.ts';
import type { Layer, LayerNode, Output, Run } from './layer.ts';

const MAX_CALLS = 100_000;
/** Lists in lists in the arguments of a call. */
const MAX_NESTING = 16;

/** A model that takes part in another one, or the whole. */
export interface ModelLayer extends Layer {
  /** Names of its inputs, in order; of a Sequential, none that are known. */
  readonly inputNames: readonly string[];
}

export function buildModel(
  tree: TreeBuilder,
  config: Fields,
  className: string,
  name: string,
  trainable: boolean,
  depth: number,
): ModelLayer {
  // Very old files have a list of layers in place of a Sequential's configuration.
  const entries = config['layers'];
  if (!Array.isArray(entries)) throw new Refusal('has no list of layers.');
  const isGraph = 'output_layers' in config;
  const model = {
    ...emptyLayer(className, name, trainable, { masking: 'own', build: () => () => [] }),
    inputNames: [] as readonly string[],
  };
  if (!isGraph) {
    const layers = entries
      .filter((entry) => classOf(entry) !== 'InputLayer')
      .map((entry) => tree.layer(entry, trainable, depth + 1));
    model.children.push({ attribute: 'layers', layers });
    model.call = (args, named, run) => {
      const input = args.length > 0 ? args[0] : [...named.values()][0];
      let value: unknown = input;
      for (const layer of layers) {
        const before = value;
        value = callHere(layer, [value], new Map(), run);
        const needed = new Set([...tensorsIn(input), ...tensorsIn(value)]);
        if (run.training) continue;
        for (const tensor of tensorsIn(before)) {
          if (!needed.has(tensor)) release(tensor, run);
        }
      }
      return value as Output;
    };
    return model;
  }
  const graph = new Graph(tree, config, entries, trainable, depth);
  model.children.push({ attribute: 'layers', layers: graph.layers });
  model.inputNames = graph.inputs;
  model.call = (args, named, run) => graph.run(args.length > 0 ? args[0] : [...named.values()][0], run);
  return model;
}

/** One output of one call of a layer. */
interface Reference {
  readonly kind: 'reference';
  readonly call: string;
  readonly tensor: number;
}
type Tree =
  | Reference
  | { readonly kind: 'list'; readonly items: readonly Tree[] }
  | { readonly kind: 'constant'; readonly value: unknown };

interface Call {
  readonly key: string;
  readonly layer: Layer;
  readonly args: readonly Tree[];
  readonly named: readonly (readonly [string, Tree])[];
  readonly needs: readonly string[];
}

class Graph {
  /** All but the operations, in the order of the file: that of the weights. */
  readonly layers: readonly LayerNode[];
  readonly inputs: readonly string[];
  readonly #calls: readonly Call[];
  readonly #outputs: Tree;
  /** How many calls and outputs use a call's result. */
  readonly #uses: ReadonlyMap<string, number>;

  constructor(
    tree: TreeBuilder,
    config: Fields,
    entries: readonly unknown[],
    trainable: boolean,
    depth: number,
  ) {
    const names = new Set(entries.flatMap((entry) => (isRecord(entry) ? [graphName(entry)] : [])));
    const calls = new Map<string, Call>();
    const layers: LayerNode[] = [];
    for (const entry of entries) {
      if (!isRecord(entry)) throw new Refusal('has a layer that is none.');
      const name = graphName(entry);
      if (classOf(entry) === 'InputLayer') {
        layers.push(emptyLayer('InputLayer', name, false, undefined));
        continue;
      }
      const layer = tree.layer(entry, trainable, depth + 1);
      if (!isOperation(entry)) layers.push(layer);
      const nodes = entry['inbound_nodes'];
      if (!Array.isArray(nodes)) throw new Refusal(`does not say what its layer ${name} is called with.`);
      const own = nodes.map((node: unknown, i) =>
        parseCall(node, `${name}/${i}`, layer, names, tree.isKeras2 ? [] : ['training']),
      );
      // A BatchNorm that never trains has no statistics of its own batch.
      if (own.length > 0 && own.every((call) => isInference(call))) dropNorms(layer);
      for (const call of own) calls.set(call.key, call);
      if (calls.size > MAX_CALLS) throw new Refusal(`has more than ${MAX_CALLS} calls of layers.`);
    }
    this.layers = layers;
    this.inputs = references(parseEnds(config['input_layers'], names)).map(({ call }) =>
      call.replace(/\/\d+$/, ''),
    );
    this.#outputs = parseEnds(config['output_layers'], names);
    const ends = references(this.#outputs).map(({ call }) => call);
    this.#calls = inOrder(calls, ends, new Set(this.inputs.map((name) => `${name}/0`)));
    const uses = new Map<string, number>();
    for (const key of [...this.#calls.flatMap(({ needs }) => needs), ...ends]) {
      uses.set(key, (uses.get(key) ?? 0) + 1);
    }
    this.#uses = uses;
  }

  run(given: unknown, run: Run): Output {
    const values = new Map<string, readonly Tensor[]>();
    this.#inputTensors(given).forEach((tensor, i) => values.set(`${this.inputs[i]!}/0`, [tensor]));
    const left = new Map(this.#uses);
    const isInput = new Set([...values.values()].flat());
    const resolve = (tree: Tree): unknown => {
      if (tree.kind === 'constant') return tree.value;
      if (tree.kind === 'list') return tree.items.map(resolve);
      const tensor = values.get(tree.call)?.[tree.tensor];
      if (tensor === undefined) throw new Error(`${tree.call} gives no output ${tree.tensor}`);
      return tensor;
    };
    for (const { key, layer, args, named, needs } of this.#calls) {
      const output = callHere(
        layer,
        args.map(resolve),
        new Map(named.map(([name, tree]) => [name, resolve(tree)])),
        run,
      );
      values.set(key, tensorsIn(output));
      if (run.training) continue;
      for (const need of needs) {
        const rest = left.get(need)! - 1;
        left.set(need, rest);
        if (rest === 0) this.#forget(values, need, isInput, run);
      }
    }
    return resolve(this.#outputs) as Output;
  }

  /** Frees what no later call needs, which is most of a large network; in training the gradient needs it all. */
  #forget(values: Map<string, readonly Tensor[]>, key: string, isInput: ReadonlySet<Tensor>, run: Run): void {
    const tensors = values.get(key) ?? [];
    values.delete(key);
    const alive = new Set([...values.values()].flat());
    for (const tensor of tensors) {
      if (!alive.has(tensor) && !isInput.has(tensor)) release(tensor, run);
    }
  }

  #inputTensors(given: unknown): Tensor[] {
    const isNamed = isRecord(given) && !(given instanceof tf.Tensor);
    const tensors = isNamed
      ? this.inputs.flatMap((name) => tensorsIn(Object.hasOwn(given, name) ? given[name] : undefined))
      : tensorsIn(given);
    if (tensors.length === this.inputs.length) return tensors;
    throw new Error(
      `the model has the inputs ${this.inputs.join(', ')}, and is given ${isNamed ? Object.keys(given).join(', ') : tensors.length}`,
    );
  }
}

function release(tensor: Tensor, { masks }: Run): void {
  masks.set(tensor, undefined);
  if (!(tensor instanceof tf.Variable)) tensor.dispose();
}

/** Calls a layer, frees what it leaves behind, and says which one it was that failed. */
function callHere(
  layer: Layer,
  args: readonly unknown[],
  named: ReadonlyMap<string, unknown>,
  run: Run,
): Output {
  let output: Output = [];
  try {
    tf.tidy(() => {
      output = callLayer(layer, args, named, run);
      const tensors = tensorsIn(output);
      return [...tensors, ...tensors.flatMap((tensor) => run.masks.of(tensor) ?? [])];
    });
    return output;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    if (message.startsWith('Layer "')) throw error;
    throw new Error(`Layer "${layer.name}" (${layer.className}): ${message}`, { cause: error });
  }
}

function classOf(entry: unknown): unknown {
  return isRecord(entry) ? entry['class_name'] : undefined;
}

/** In a graph a layer goes by the name beside its configuration. */
function graphName(entry: Fields): string {
  return typeof entry['name'] === 'string' ? entry['name'] : nameOf(entry);
}

/** Keras's functions in a graph (x + y, ops.mean) are no layers and keep no place among the weights. */
export function isOperation(entry: Fields): boolean {
  const { module, config } = entry;
  if (typeof module === 'string') return /^keras(?:\.src)?\.ops(?:\.|$)/.test(module);
  // Legacy files leave the module out; every layer has these.
  return isRecord(config) && !('trainable' in config) && !('dtype' in config) && !('layers' in config);
}

/**
 * @param ignored Named arguments that the model's own caller decides on: of Keras 3, `training`, which it overrides
 *   in every call of a graph (keras/src/models/functional.py, `operation_fn`).
 */
function parseCall(
  node: unknown,
  key: string,
  layer: Layer,
  names: ReadonlySet<string>,
  ignored: readonly string[],
): Call {
  let args: readonly Tree[];
  let named: readonly (readonly [string, Tree])[];
  if (isRecord(node) && Array.isArray(node['args'])) {
    args = node['args'].map((value) => parseArgument(value, names, 0));
    named = namedOf(node['kwargs'], names, ignored);
  } else if (Array.isArray(node)) {
    // Keras 2: [[layer, call, tensor, named arguments], ...], one or several inputs.
    const ends = node.map((end: unknown) => {
      const reference = referenceOf(end, names);
      if (reference === undefined) throw new Refusal('has a call with an input that is none.');
      return reference;
    });
    args = ends.length === 1 ? ends : [{ kind: 'list', items: ends }];
    const [first] = node as readonly unknown[];
    named = Array.isArray(first) ? namedOf(first[3], names, ignored) : [];
  } else {
    throw new Refusal('has a call that is none.');
  }
  const needs = [...args, ...named.map(([, tree]) => tree)].flatMap(references).map(({ call }) => call);
  return { key, layer, args, named, needs };
}

function namedOf(
  value: unknown,
  names: ReadonlySet<string>,
  ignored: readonly string[],
): (readonly [string, Tree])[] {
  if (!isRecord(value)) return [];
  return Object.entries(value)
    .filter(([name, one]) => one !== null && !ignored.includes(name))
    .map(([name, one]) => [name, parseArgument(one, names, 0)] as const);
}

function parseArgument(value: unknown, names: ReadonlySet<string>, nesting: number): Tree {
  if (nesting > MAX_NESTING) throw new Refusal('has a call with lists in lists in lists.');
  if (Array.isArray(value)) {
    return (
      referenceOf(value, names) ?? {
        kind: 'list',
        items: value.map((item) => parseArgument(item, names, nesting + 1)),
      }
    );
  }
  if (!isRecord(value)) return { kind: 'constant', value };
  const { class_name: className, config } = value;
  if (className === '__keras_tensor__' && isRecord(config)) {
    const reference = referenceOf(config['keras_history'], names);
    if (reference === undefined) throw new Refusal('has a call with an input that no layer gives.');
    return reference;
  }
  return { kind: 'constant', value };
}

/** [layer, call, tensor] */
function referenceOf(value: unknown, names: ReadonlySet<string>): Reference | undefined {
  if (!Array.isArray(value) || value.length < 3 || value.length > 4) return undefined;
  const [name, call, tensor] = value as readonly unknown[];
  if (typeof name !== 'string' || !names.has(name) || !isIndex(call) || !isIndex(tensor)) return undefined;
  return { kind: 'reference', call: `${name}/${call}`, tensor };
}

const isIndex = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

/** One end, a list of them, or several by name. */
function parseEnds(value: unknown, names: ReadonlySet<string>, nesting = 0): Tree {
  const one = referenceOf(value, names);
  if (one !== undefined) return one;
  const items = Array.isArray(value) ? value : isRecord(value) ? Object.values(value) : undefined;
  if (items === undefined || items.length === 0 || nesting > MAX_NESTING) {
    throw new Refusal('has inputs or outputs that are none of its layers.');
  }
  return { kind: 'list', items: items.map((item) => parseEnds(item, names, nesting + 1)) };
}

function references(tree: Tree): readonly Reference[] {
  if (tree.kind === 'reference') return [tree];
  return tree.kind === 'list' ? tree.items.flatMap(references) : [];
}

/** The calls that the outputs need, each after those that it needs itself. */
function inOrder(
  calls: ReadonlyMap<string, Call>,
  ends: readonly string[],
  inputs: ReadonlySet<string>,
): Call[] {
  const done = new Set<string>(inputs);
  const open = new Set<string>();
  const order: Call[] = [];
  const stack = ends.toReversed();
  while (stack.length > 0) {
    const key = stack.at(-1)!;
    if (done.has(key)) {
      stack.pop();
      continue;
    }
    const call = calls.get(key);
    if (call === undefined) throw new Refusal(`uses ${key}, which no layer gives.`);
    const missing = call.needs.filter((need) => !done.has(need));
    if (missing.length === 0) {
      stack.pop();
      open.delete(key);
      done.add(key);
      order.push(call);
      continue;
    }
    if (open.has(key)) throw new Refusal(`has layers that go round in a circle, by ${key}.`);
    open.add(key);
    stack.push(...missing.toReversed());
  }
  return order;
}

function isInference({ named }: Call): boolean {
  return named.some(
    ([name, tree]) => name === 'training' && tree.kind === 'constant' && tree.value === false,
  );
}

function dropNorms(node: LayerNode): void {
  node.norms.length = 0;
  for (const { layers } of node.children) {
    for (const child of 'slots' in layers ? [layers] : layers) dropNorms(child);
  }
}
