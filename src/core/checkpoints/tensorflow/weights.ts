/**
 * Which variables are weights, and which are an optimizer's. TensorFlow 2 stores a graph of the objects that were
 * saved, TensorFlow 1 names alone.
 */
import { WireError, WireReader } from '../../wire.ts';
import { FormatError } from '../single.ts';

export const OBJECT_GRAPH = '_CHECKPOINTABLE_OBJECT_GRAPH';

/** `TrackableObjectGraph.TrackableObject` of tensorflow/core/protobuf/trackable_object_graph.proto. */
interface Node {
  readonly children: { readonly node: number; readonly name: string }[];
  readonly keys: string[];
  slots: boolean;
}

const MAX_NODES = 2_000_000;

/** What every optimizer calls its counter of steps: Keras 3 and 2, TensorFlow's `tf.train` ones by their slots. */
const COUNTERS = new Set(['_iterations', 'iterations', 'iter']);
const RATES = new Set(['_learning_rate', 'learning_rate', '_current_learning_rate']);

/**
 * The keys of the variables that belong to optimizers and nothing else: what can be reached from the root only
 * through an optimizer, or not at all (slot variables hang on none).
 * @throws FormatError
 */
export function optimizerKeys(graph: Buffer): ReadonlySet<string> {
  const nodes = readNodes(graph);
  const reached = new Set<number>(nodes.length > 0 ? [0] : []);
  for (const at of reached) {
    const node = nodes[at]!;
    if (isOptimizer(node)) continue;
    for (const child of node.children) if (child.node < nodes.length) reached.add(child.node);
  }
  const keys = new Set<string>();
  for (const [at, node] of nodes.entries()) {
    if (!reached.has(at) || isOptimizer(node)) for (const key of node.keys) keys.add(key);
  }
  return keys;
}

function isOptimizer({ slots, children }: Node): boolean {
  return (
    slots || (children.some(({ name }) => COUNTERS.has(name)) && children.some(({ name }) => RATES.has(name)))
  );
}

function readNodes(graph: Buffer): Node[] {
  const nodes: Node[] = [];
  try {
    const reader = new WireReader(graph);
    while (reader.next()) {
      if (reader.field !== 1) {
        reader.skip();
        continue;
      }
      if (nodes.length === MAX_NODES) throw new FormatError(`lists more than ${MAX_NODES} objects.`);
      nodes.push(readNode(reader.message()));
    }
  } catch (error) {
    if (error instanceof WireError) throw new FormatError('has a graph of objects that is none.');
    throw error;
  }
  return nodes;
}

function readNode(reader: WireReader): Node {
  const node: Node = { children: [], keys: [], slots: false };
  while (reader.next()) {
    if (reader.field === 1) {
      const { 1: id, 2: name } = fieldsOf(reader.message(), [1], [2]);
      node.children.push({ node: Number(id ?? 0), name: String(name ?? '') });
    } else if (reader.field === 2) {
      const { 3: key } = fieldsOf(reader.message(), [], [3]);
      if (key !== undefined) node.keys.push(String(key));
    } else {
      node.slots ||= reader.field === 3;
      reader.skip();
    }
  }
  return node;
}

function fieldsOf(
  reader: WireReader,
  integers: readonly number[],
  strings: readonly number[],
): Readonly<Record<number, number | string>> {
  const found: Record<number, number | string> = {};
  while (reader.next()) {
    if (integers.includes(reader.field)) found[reader.field] = reader.integer();
    else if (strings.includes(reader.field)) found[reader.field] = reader.string();
    else reader.skip();
  }
  return found;
}

/** What TensorFlow 1 optimizers call their slots: `dense/kernel/Adam_1` beside `dense/kernel`. */
const SLOT =
  /\/(?:Adam|AdaMax|AdamW|Nadam|LAMB|LARS|Momentum|RMSProp|Adagrad|AdagradDA|Adadelta|Ftrl|ProximalAdagrad|SGD)[A-Za-z]*(?:_\d+)?$/;
const POWER = /(?:^|\/)beta[12]_power(?:_\d+)?$/;

/** By names alone, of a checkpoint without a graph of objects. */
export function isSlotName(name: string, names: ReadonlySet<string>): boolean {
  return POWER.test(name) || (SLOT.test(name) && names.has(name.slice(0, name.lastIndexOf('/'))));
}
