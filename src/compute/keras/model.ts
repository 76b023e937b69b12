/** A model of Keras, built from the architecture in a file and the tensors of a checkpoint, as a {@link TaskModel}. */
import { isFloat } from '../../core/checkpoints/dtype.ts';
import type { CheckpointHeader, TensorInfo } from '../../core/checkpoints/types.ts';
import { TwaError } from '../../core/errors.ts';
import { readLegacyOrder } from '../../core/keras/architecture.ts';
import type { KerasArchitecture } from '../../core/keras/architecture.ts';
import type { ModelWeight, NormLayer, Role, TaskModel, Tensors } from '../objective/model.ts';
import { tf } from '../tf.ts';
import type { Tensor, Variable } from '../tf.ts';
import { TreeBuilder } from './build.ts';
import type { CustomLayers } from './build.ts';
import { Refusal } from './config.ts';
import type { ModelLayer } from './graph.ts';
import { callLayer, Masks, tensorsIn } from './layer.ts';
import type { LayerNode, Norm, Slot } from './layer.ts';
import { placeByName, placeByOrder, placeByPath } from './names.ts';
import type { PlacedSlot } from './names.ts';

/** What a task module's `loss` and `metrics` get as the model. */
export class KerasModel {
  /** By their names in the checkpoint. */
  readonly weights: Readonly<Record<string, Variable>>;
  readonly inputNames: readonly string[];
  readonly #root: ModelLayer;

  constructor(root: ModelLayer, weights: Readonly<Record<string, Variable>>) {
    this.#root = root;
    this.weights = weights;
    this.inputNames = root.inputNames;
  }

  /** A tensor, a list of them, or several by the names of the inputs; as many come out as the model has outputs. */
  apply(inputs: Tensors, options: { readonly training?: boolean } = {}): Tensor | Tensor[] {
    const run = { training: options.training === true, masks: new Masks() };
    return tf.tidy(() => {
      const outputs = tensorsIn(callLayer(this.#root, [inputs], new Map(), run));
      // What comes out as it went in stays its owner's.
      const given = new Set(tensorsIn(inputs instanceof tf.Tensor ? inputs : Object.values(inputs)));
      const own = outputs.map((output) => (given.has(output) ? tf.clone(output) : output));
      return own.length === 1 ? own[0]! : own;
    });
  }

  dispose(): void {
    tf.dispose(Object.values(this.weights));
  }
}

/**
 * @throws TwaError `unsupported` naming every layer that cannot be built, `mismatch` naming every weight that is not in
 * the checkpoint, `bad-task` for an architecture that makes no sense.
 */
export async function kerasTaskModel(
  architecture: KerasArchitecture,
  header: CheckpointHeader,
  custom: CustomLayers = new Map(),
): Promise<TaskModel> {
  const { root, notes } = buildTree(architecture, custom);
  const placed = await place(root, header);
  requireFit(placed, header, architecture);
  const norms = normsOf(root);
  const running = new Set(norms.flatMap(({ mean, variance }) => [mean, variance]));
  const bound = bind(placed, header, (slot) =>
    running.has(slot) ? 'running' : slot.role === 'state' ? 'state' : 'parameter',
  );
  const names = new Map(placed.map(({ slot, name }) => [slot, name]));
  const model = new KerasModel(root, Object.fromEntries(bound.map(({ name, variable }) => [name, variable])));
  return {
    weights: bound,
    norms: norms.map((norm) => normLayer(norm, names)),
    notes,
    handle: model,
    apply(inputs, training) {
      const output = model.apply(inputs, { training });
      if (!Array.isArray(output)) return output;
      throw new TwaError(
        'bad-task',
        `The model has ${output.length} outputs: a declared loss is for one; export "loss" and "metrics" from a module.`,
      );
    },
    dispose: () => model.dispose(),
  };
}

/** @throws TwaError as {@link kerasTaskModel}. */
function buildTree(
  architecture: KerasArchitecture,
  custom: CustomLayers,
): { root: ModelLayer; notes: readonly string[] } {
  const { path, model, version } = architecture;
  const tree = new TreeBuilder(
    custom,
    version !== undefined ? /^[012]\./.test(version) : looksLikeKeras2(model),
  );
  let root;
  try {
    root = tree.layer(model, true, 0);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    tree.problems.push(`The model ${error.message}`);
  }
  const [first, ...more] = tree.problems;
  if (first !== undefined) {
    const others = more.length === 0 ? '' : ` There are ${tree.problems.length} such layers in all.`;
    throw new TwaError('unsupported', `The model in ${path} cannot be built: ${first}${others}`, {
      place: { path },
      details: tree.problems,
    });
  }
  if (root === undefined || !('inputNames' in root)) {
    throw new TwaError('bad-task', `${path} describes a layer and not a model.`, { place: { path } });
  }
  return { root: root as ModelLayer, notes: [...tree.notes] };
}

/** Keras 3 says of every class where it is from. */
function looksLikeKeras2({ config }: Readonly<Record<string, unknown>>): boolean {
  const text = JSON.stringify(config);
  return !text.includes('"registered_name"') && !text.includes('"keras_history"');
}

async function place(root: LayerNode, header: CheckpointHeader): Promise<PlacedSlot[]> {
  const byPath = placeByPath(root, header.tensors);
  const names = new Set(header.tensors.map(({ name }) => name));
  if (byPath.some(({ name }) => names.has(name))) return byPath;
  const order = await readLegacyOrder(header.path);
  if (order !== undefined) return placeByOrder(root, order);
  const byName = placeByName(root);
  return byName.some(({ name }) => names.has(name)) ? byName : byPath;
}

function requireFit(
  placed: readonly PlacedSlot[],
  header: CheckpointHeader,
  architecture: KerasArchitecture,
): void {
  const tensors = new Map(header.tensors.map((tensor) => [tensor.name, tensor]));
  const details = placed.flatMap(({ slot, what, name }) => {
    if (slot.role === 'counter') return [];
    const tensor = tensors.get(name);
    if (tensor === undefined) return [`${what}: there is no ${name} in the checkpoint.`];
    if (!isFloat(tensor.dtype))
      return [`${what} is ${tensor.dtype} in the checkpoint, which cannot be mixed.`];
    if (fits(slot, tensor)) return [];
    const wanted = slot.shape?.map((length) => length ?? 'any').join(', ') ?? '';
    return [`${what} is [${wanted}] by the architecture, and ${name} is [${tensor.shape.join(', ')}].`];
  });
  if (details.length === 0) return;
  const all = details.length === 1 ? '' : ` There are ${details.length} differences in all.`;
  const where =
    architecture.path === header.path
      ? `The architecture in ${header.path} is not that of its weights`
      : `The architecture in ${architecture.path} is not that of ${header.path}`;
  throw new TwaError('mismatch', `${where}: ${details[0]!}${all}`, { place: { path: header.path }, details });
}

function fits({ shape }: Slot, tensor: TensorInfo): boolean {
  if (shape === undefined) return true;
  return (
    shape.length === tensor.shape.length &&
    shape.every((length, i) => length === undefined || length === tensor.shape[i])
  );
}

/** Makes the variables, zero until the first mix. Two slots may share a tensor, and then share its variable. */
function bind(
  placed: readonly PlacedSlot[],
  header: CheckpointHeader,
  roleOf: (slot: Slot) => Role,
): ModelWeight[] {
  const tensors = new Map(header.tensors.map((tensor) => [tensor.name, tensor]));
  const weights = new Map<string, ModelWeight>();
  for (const { slot, name } of placed) {
    if (slot.role === 'counter') continue;
    const known = weights.get(name);
    if (known !== undefined) {
      slot.variable = known.variable;
      continue;
    }
    const role = roleOf(slot);
    const { shape } = tensors.get(name)!;
    const variable = tf.tidy(() => tf.variable(tf.zeros([...shape]), role === 'parameter'));
    slot.variable = variable;
    weights.set(name, { name, variable, role });
  }
  return [...weights.values()];
}

function normsOf(node: LayerNode): Norm[] {
  return [
    ...node.norms,
    ...node.children.flatMap(({ layers }) => ('slots' in layers ? [layers] : layers).flatMap(normsOf)),
  ];
}

function normLayer(norm: Norm, names: ReadonlyMap<Slot, string>): NormLayer {
  return {
    mean: names.get(norm.mean)!,
    variance: names.get(norm.variance)!,
    get momentum() {
      return norm.momentum;
    },
    set momentum(value) {
      norm.momentum = value;
    },
  };
}
