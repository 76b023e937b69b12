/** What a layer is here: weights by their place in the file, parts of its own, and a function. */
import { tf } from '../tf.ts';
import type { Tensor, Variable } from '../tf.ts';
import type { Config } from './config.ts';

/** What a layer gives: mostly one tensor. */
export type Output = Tensor | readonly Output[];

/**
 * - `parameter`: trained, whether or not its layer is frozen;
 * - `state`: another number that is not trained, such as BatchNorm's running statistics;
 * - `counter`: no float, left as it is in the file. The seeds of random numbers are of that kind and in places of their
 *   own, so that they need not be known.
 */
export type SlotRole = 'parameter' | 'state' | 'counter';

/** Undefined for a length that the architecture does not say by itself, or for a shape of which it says nothing. */
export type SlotShape = readonly (number | undefined)[] | undefined;

/** A weight: of which tensor of the checkpoint is found out later, and then its variable is there. */
export class Slot {
  /** As Keras calls it: "kernel". */
  readonly key: string;
  readonly shape: SlotShape;
  readonly role: SlotRole;
  variable: Variable | undefined;

  constructor(key: string, shape: SlotShape, role: SlotRole) {
    this.key = key;
    this.shape = shape;
    this.role = role;
  }

  read(): Variable {
    if (this.variable === undefined) throw new Error(`The weight ${this.key} has no variable yet.`);
    return this.variable;
  }
}

/** A layer, or a part of one that Keras keeps weights for, under an attribute of its owner. */
export interface Child {
  readonly attribute: string;
  /** Several are in a list or dictionary there. */
  readonly layers: LayerNode | readonly LayerNode[];
}

export interface LayerNode {
  readonly className: string;
  readonly name: string;
  readonly trainable: boolean;
  readonly slots: Slot[];
  readonly children: Child[];
  readonly norms: Norm[];
}

/** A BatchNormalization that computes statistics of its batch in training. */
export interface Norm {
  readonly mean: Slot;
  readonly variance: Slot;
  momentum: number;
}

export interface Layer extends LayerNode {
  call: LayerCall;
  /**
   * What becomes of a mask: `keep` passes that of the first input on, `any` needs one on every input and joins them,
   * `own` leaves it to the call; otherwise it ends here. As Keras's `supports_masking` and `compute_mask`.
   */
  readonly masking: Masking;
}
export type Masking = 'keep' | 'any' | 'own' | undefined;

export type LayerCall = (args: readonly unknown[], named: ReadonlyMap<string, unknown>, run: Run) => Output;

/** One pass through the model. */
export interface Run {
  readonly training: boolean;
  readonly masks: Masks;
}

/** Which steps of a sequence count: boolean [batch, steps], for a tensor that has one. */
export class Masks {
  readonly #masks = new Map<Tensor, Tensor>();

  of(tensor: unknown): Tensor | undefined {
    return this.#masks.get(tensor as Tensor);
  }

  set(tensor: Tensor, mask: Tensor | undefined): void {
    if (mask === undefined) this.#masks.delete(tensor);
    else this.#masks.set(tensor, mask);
  }
}

/** What the function that builds a layer gets. */
export interface LayerBuilder {
  readonly className: string;
  readonly name: string;
  readonly config: Config;
  readonly trainable: boolean;
  /** The file is by Keras 2, where some defaults and functions were others. */
  readonly isKeras2: boolean;
  /** Weights come in the order in which Keras makes them. */
  readonly weight: (key: string, shape: SlotShape, role?: SlotRole) => Slot;
  /** Notes that two weights are the running statistics of a BatchNorm. */
  readonly norm: (mean: Slot, variance: Slot, momentum: number) => Norm;
  /** Part of this layer that Keras makes itself, with weights of its own. */
  readonly part: (attribute: string, className: string) => Pick<LayerBuilder, 'weight'>;
  /** A layer that the configuration describes. */
  readonly layer: (attribute: string, entry: unknown) => Layer;
  /** Something that a person should know about the result. */
  readonly note: (sentence: string) => void;
}

export interface LayerDefinition {
  readonly masking?: Masking;
  build(builder: LayerBuilder): LayerCall;
}

/** A layer of one tensor. */
export function one(compute: (x: Tensor, run: Run) => Output): LayerCall {
  return (args, named, run) => compute(firstTensor(args, named), run);
}

/** A layer of a list of tensors. */
export function several(compute: (xs: readonly Tensor[], run: Run) => Output): LayerCall {
  return (args, named, run) => compute(tensorsIn(args.length === 0 ? [...named.values()] : args), run);
}

export function firstTensor(args: readonly unknown[], named: ReadonlyMap<string, unknown>): Tensor {
  const first = args.length > 0 ? args[0] : [...named.values()][0];
  const found = Array.isArray(first) && first.length === 1 ? (first[0] as unknown) : first;
  if (found instanceof tf.Tensor) return found as Tensor;
  throw new Error('it takes one tensor, and is given another number of them');
}

/** All tensors in lists, lists of lists and so on, in order. */
export function tensorsIn(value: unknown): Tensor[] {
  if (value instanceof tf.Tensor) return [value as Tensor];
  return Array.isArray(value) ? value.flatMap(tensorsIn) : [];
}

/** Calls a layer as Keras does, with what becomes of masks. */
export function callLayer(
  layer: Pick<Layer, 'call' | 'masking'>,
  args: readonly unknown[],
  named: ReadonlyMap<string, unknown>,
  run: Run,
): Output {
  const { masks } = run;
  const given = named.get('mask');
  const inputs = tensorsIn([...args]);
  if (given instanceof tf.Tensor && inputs[0] !== undefined) masks.set(inputs[0], given);
  const training = named.get('training');
  const inner = typeof training === 'boolean' ? { ...run, training } : run;
  const output = layer.call(args, named, inner);
  if (layer.masking === 'own' || !(output instanceof tf.Tensor)) return output;
  // A tensor that comes out as it went in must not hand its mask on by that.
  const result = layer.masking === undefined && masks.of(output) !== undefined ? tf.clone(output) : output;
  if (layer.masking === 'keep') masks.set(result, masks.of(inputs[0]));
  if (layer.masking === 'any') {
    const all = inputs.map((input) => masks.of(input));
    masks.set(
      result,
      all.every((mask) => mask !== undefined) && all.length > 0
        ? all.reduce((joined, mask) => tf.logicalOr(joined, mask))
        : undefined,
    );
  }
  return result;
}
