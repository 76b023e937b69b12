/** Keras's functions in a functional graph: `x + y`, `keras.ops.mean(x)`. */
import { isRecord } from '../../core/checkpoints/json.ts';
import type { Fields } from '../../core/keras/architecture.ts';
import { tf } from '../tf.ts';
import type { Tensor } from '../tf.ts';
import { activationOf } from './activations.ts';
import { Refusal } from './config.ts';
import type { Config } from './config.ts';
import { isOperation } from './graph.ts';
import { tensorsIn } from './layer.ts';
import type { LayerDefinition, Output } from './layer.ts';
import { contract, positive, softmax } from './math.ts';

/** Of the values in the call, after the configuration. */
type Operation = (args: readonly unknown[], config: Config, argument: (name: string) => unknown) => Output;

const unary =
  (compute: (x: Tensor) => Tensor): Operation =>
  ([x]) =>
    compute(tensorOf(x));
const binary =
  (compute: (x: Tensor, y: Tensor) => Tensor): Operation =>
  ([x, y], _, argument) =>
    compute(tensorOf(x ?? argument('x1')), tensorOf(y ?? argument('x2')));
const reduction =
  (compute: (x: Tensor, axes: number[] | undefined, keep: boolean) => Tensor): Operation =>
  ([x], config) =>
    compute(
      tensorOf(x),
      config.has('axis') ? config.axes('axis', 0) : undefined,
      config.flag('keepdims', false),
    );
const activation = (name: string): Operation => unary(activationOf(name, false));

const OPERATIONS: ReadonlyMap<string, Operation> = new Map<string, Operation>([
  ['Add', binary((x, y) => tf.add(x, y))],
  ['Subtract', binary((x, y) => tf.sub(x, y))],
  ['Multiply', binary((x, y) => tf.mul(x, y))],
  ['Divide', binary((x, y) => tf.div(x, y))],
  ['TrueDivide', binary((x, y) => tf.div(x, y))],
  ['Power', binary((x, y) => tf.pow(x, y))],
  ['Maximum', binary((x, y) => tf.maximum(x, y))],
  ['Minimum', binary((x, y) => tf.minimum(x, y))],
  ['Matmul', binary((x, y) => tf.matMul(x, y))],
  ['Negative', unary((x) => tf.neg(x))],
  ['Absolute', unary((x) => tf.abs(x))],
  ['Abs', unary((x) => tf.abs(x))],
  ['Square', unary((x) => tf.square(x))],
  ['Sqrt', unary((x) => tf.sqrt(x))],
  ['Rsqrt', unary((x) => tf.rsqrt(x))],
  ['Exp', unary((x) => tf.exp(x))],
  ['Expm1', unary((x) => tf.expm1(x))],
  ['Log', unary((x) => tf.log(x))],
  ['Log1p', unary((x) => tf.log1p(x))],
  ['Sin', unary((x) => tf.sin(x))],
  ['Cos', unary((x) => tf.cos(x))],
  ['Tanh', unary((x) => tf.tanh(x))],
  ['Cast', ([x], config) => castTo(tensorOf(x), config.text('dtype'))],
  // What masks are made of.
  ['Equal', binary((x, y) => tf.equal(x, y))],
  ['NotEqual', binary((x, y) => tf.notEqual(x, y))],
  ['Greater', binary((x, y) => tf.greater(x, y))],
  ['GreaterEqual', binary((x, y) => tf.greaterEqual(x, y))],
  ['Less', binary((x, y) => tf.less(x, y))],
  ['LessEqual', binary((x, y) => tf.lessEqual(x, y))],
  ['LogicalAnd', binary((x, y) => tf.logicalAnd(x, y))],
  ['LogicalOr', binary((x, y) => tf.logicalOr(x, y))],
  ['LogicalNot', unary((x) => tf.logicalNot(x))],
  ['Any', reduction((x, axes, keep) => tf.any(x, axes, keep))],
  ['All', reduction((x, axes, keep) => tf.all(x, axes, keep))],
  ['ZerosLike', unary((x) => tf.zerosLike(x))],
  ['OnesLike', unary((x) => tf.onesLike(x))],
  ['StopGradient', unary((x) => withoutGradient(x))],
  ['Mean', reduction((x, axes, keep) => tf.mean(x, axes, keep))],
  ['Sum', reduction((x, axes, keep) => tf.sum(x, axes, keep))],
  ['Max', reduction((x, axes, keep) => tf.max(x, axes, keep))],
  ['Min', reduction((x, axes, keep) => tf.min(x, axes, keep))],
  ['Reshape', ([x], config) => tf.reshape(tensorOf(x), shapeOf(config.list('newshape') ?? [], tensorOf(x)))],
  [
    'Transpose',
    ([x], config) => tf.transpose(tensorOf(x), config.has('axes') ? config.axes('axes', 0) : undefined),
  ],
  ['SwapAxes', ([x], config) => swapped(tensorOf(x), config.integer('axis1'), config.integer('axis2'))],
  [
    'ExpandDims',
    ([x], config) => config.axes('axis', 0).reduce((y, axis) => tf.expandDims(y, axis), tensorOf(x)),
  ],
  ['Squeeze', ([x], config) => squeezed(tensorOf(x), config)],
  [
    'Concatenate',
    ([xs], config) => tf.concat(tensorsIn(xs), positiveIn(config.integer('axis', 0), tensorsIn(xs)[0])),
  ],
  [
    'Stack',
    ([xs], config) =>
      tf.stack(tensorsIn(xs), positive(config.integer('axis', 0), tensorsIn(xs)[0]!.rank + 1)),
  ],
  ['Clip', ([x], config) => tf.clipByValue(tensorOf(x), config.number('x_min'), config.number('x_max'))],
  ['Einsum', (args, config) => einsum(config.text('subscripts'), args)],
  ['GetItem', ([x, key]) => item(tensorOf(x), Array.isArray(key) ? key : [key])],
  ['Softmax', ([x], config) => softmax(tensorOf(x), config.integer('axis', -1))],
  [
    'Gelu',
    ([x], config) =>
      activationOf(config.flag('approximate', true) ? 'gelu_tanh' : 'gelu', false)(tensorOf(x)),
  ],
  ['LogSoftmax', activation('log_softmax')],
  ['Relu', activation('relu')],
  ['Relu6', activation('relu6')],
  ['Sigmoid', activation('sigmoid')],
  ['Silu', activation('silu')],
  ['Softplus', activation('softplus')],
  ['Softsign', activation('softsign')],
  ['HardSigmoid', activation('hard_sigmoid')],
  ['HardSilu', activation('hard_silu')],
  ['Elu', activation('elu')],
  ['Selu', activation('selu')],
]);

const withoutGradient: (x: Tensor) => Tensor = tf.customGrad((x) => ({
  value: tf.clone(x as Tensor),
  gradFunc: (dy: Tensor) => tf.zerosLike(dy),
}));

/** Undefined for a layer. @throws Refusal for a function that is not known. */
export function operationOf(entry: Fields, config: Config): LayerDefinition | undefined {
  if (!isOperation(entry)) return undefined;
  const operation = OPERATIONS.get(String(entry['class_name']));
  if (operation === undefined) {
    throw new Refusal(
      'is a function of keras.ops that is not known here: put it in a layer of your own, and export that from a task module as one of its "layers".',
    );
  }
  return {
    build: () => (args, named) => operation(args, config, (name) => named.get(name)),
  };
}

function tensorOf(value: unknown): Tensor {
  if (value instanceof tf.Tensor) return value as Tensor;
  const found = Array.isArray(value) && value.length === 1 ? (value[0] as unknown) : value;
  if (typeof found === 'number') return tf.scalar(found);
  if (found instanceof tf.Tensor) return found as Tensor;
  // A constant of the graph.
  if (
    isRecord(value) &&
    isRecord(value['config']) &&
    ['__tensor__', '__numpy__'].includes(String(value['class_name']))
  ) {
    return tf.tensor(value['config']['value'] as number[]);
  }
  throw new Error('it is given something that is no tensor');
}

/** One length may be -1 or null: what is left. */
function shapeOf(shape: readonly unknown[], x: Tensor): number[] {
  return shape.map((length, i) => {
    if (typeof length === 'number' && Number.isSafeInteger(length)) return length;
    return i === 0 ? x.shape[0] : -1;
  });
}

function castTo(x: Tensor, dtype: string): Tensor {
  if (dtype === 'bool') return tf.cast(x, 'bool');
  return /^u?int/.test(dtype) ? tf.cast(x, 'int32') : tf.cast(x, 'float32');
}

function positiveIn(axis: number, x: Tensor | undefined): number {
  return positive(axis, x?.rank ?? 0);
}

function swapped(x: Tensor, a: number, b: number): Tensor {
  const order = x.shape.map((_, i) => i);
  order[positive(a, x.rank)] = positive(b, x.rank);
  order[positive(b, x.rank)] = positive(a, x.rank);
  return tf.transpose(x, order);
}

function squeezed(x: Tensor, config: Config): Tensor {
  return config.has('axis')
    ? tf.squeeze(
        x,
        config.axes('axis', 0).map((axis) => positive(axis, x.rank)),
      )
    : tf.squeeze(x);
}

function einsum(equation: string, args: readonly unknown[]): Tensor {
  const operands = tensorsIn([...args]);
  if (operands.length === 2) return contract(equation, operands[0]!, operands[1]!);
  throw new Error(`it has the equation "${equation}", which is not known`);
}

/** x[key]: whole numbers, slices without steps, `...` and new axes. */
function item(x: Tensor, key: readonly unknown[]): Tensor {
  const consuming = key.filter((one) => one !== null && !isEllipsis(one)).length;
  let result = x;
  let axis = 0;
  const dropped: number[] = [];
  for (const one of key) {
    if (isEllipsis(one)) axis += result.rank - axis - (consuming - consumedBefore(key, one));
    else if (one === null) result = tf.expandDims(result, axis++);
    else {
      const length = result.shape[axis]!;
      if (typeof one === 'number') {
        result = cut(result, axis, positive(one, length), 1);
        dropped.push(axis++);
      } else {
        const [start, stop] = boundsOf(one, length);
        result = cut(result, axis++, start, Math.max(0, stop - start));
      }
    }
  }
  return dropped.length === 0 ? result : tf.squeeze(result, dropped);
}

function consumedBefore(key: readonly unknown[], at: unknown): number {
  return key.slice(0, key.indexOf(at)).filter((one) => one !== null).length;
}

function isEllipsis(value: unknown): boolean {
  return isRecord(value) && value['class_name'] === '__ellipsis__';
}

function cut(x: Tensor, axis: number, start: number, length: number): Tensor {
  const begin = x.shape.map((_, i) => (i === axis ? start : 0));
  return tf.slice(
    x,
    begin,
    x.shape.map((all, i) => (i === axis ? length : all)),
  );
}

function boundsOf(value: unknown, length: number): [number, number] {
  const config = isRecord(value) && value['class_name'] === '__slice__' ? value['config'] : undefined;
  if (!isRecord(config)) throw new Error('it takes a part of a tensor in a way that is not known');
  const { start, stop, step } = config;
  if (step !== null && step !== undefined && step !== 1)
    throw new Error('it takes every k-th part of a tensor');
  const at = (bound: unknown, otherwise: number): number =>
    typeof bound === 'number' ? Math.min(length, Math.max(0, positive(bound, length))) : otherwise;
  return [at(start, 0), at(stop, length)];
}
