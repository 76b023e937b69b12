/** Einstein summation of one or two tensors, "abc,cd->abd", as products of matrices. */
import * as tf from '@tensorflow/tfjs-core';
import type { Tensor } from '@tensorflow/tfjs-core';

export interface Equation {
  /** Labels of each operand. */
  readonly operands: readonly string[];
  readonly result: string;
}

/** tfjs has checked it: one or two operands, no label twice in one, no ellipsis. */
export function parseEquation(equation: string): Equation {
  const [left, result] = equation.replace(/\s/g, '').split('->') as [string, string];
  return { operands: left.split(','), result };
}

/** What `einsum` computes, through sums, transpositions and one product. */
export function einsumByProducts({ operands, result }: Equation, tensors: readonly Tensor[]): Tensor {
  const [a, b] = operands.map((labels, k) => sumAlone(labels, tensors[k]!, result, operands[1 - k] ?? ''));
  if (b === undefined) return arrange(a!.tensor, a!.labels, result);
  const both = Array.from(a!.labels).filter((label) => b.labels.includes(label));
  const shared = both.filter((label) => result.includes(label)).join('');
  const summed = both.filter((label) => !result.includes(label)).join('');
  const own = (labels: string): string =>
    Array.from(labels)
      .filter((label) => !both.includes(label))
      .join('');
  const [ofA, ofB] = [own(a!.labels), own(b.labels)];
  const lengths = new Map([...lengthsOf(a!), ...lengthsOf(b)]);
  const shape = (labels: string): number[] => Array.from(labels).map((label) => lengths.get(label)!);
  const size = (labels: string): number => tf.util.sizeFromShape(shape(labels));
  const left = tf.reshape(arrange(a!.tensor, a!.labels, shared + ofA + summed), [
    size(shared),
    size(ofA),
    size(summed),
  ]);
  const right = tf.reshape(arrange(b.tensor, b.labels, shared + summed + ofB), [
    size(shared),
    size(summed),
    size(ofB),
  ]);
  const order = shared + ofA + ofB;
  return arrange(tf.reshape(tf.matMul(left, right), shape(order)), order, result);
}

/** Gradients of an einsum with respect to its operands are einsums of dy with the other operand. */
export function einsumGradient(
  { operands, result }: Equation,
  dy: Tensor,
  tensors: readonly Tensor[],
  k: number,
): Tensor {
  const [mine, other] = [operands[k]!, operands[1 - k]];
  const known = Array.from(mine)
    .filter((label) => result.includes(label) || other?.includes(label))
    .join('');
  const [labels, factors] =
    other === undefined
      ? [[result], [dy]]
      : [
          [result, other],
          [dy, tensors[1 - k]!],
        ];
  const gradient = einsumByProducts({ operands: labels, result: known }, factors);
  // Labels that were summed within this operand alone: every element has the same share.
  const { shape } = tensors[k]!;
  const kept = Array.from(mine).map((label, axis) => (known.includes(label) ? shape[axis]! : 1));
  return tf.broadcastTo(tf.reshape(gradient, kept), shape);
}

interface Labelled {
  readonly tensor: Tensor;
  readonly labels: string;
}

/** Sums over the labels that are neither in the result nor in the other operand. */
function sumAlone(labels: string, tensor: Tensor, result: string, other: string): Labelled {
  const alone = Array.from(labels).flatMap((label, axis) =>
    result.includes(label) || other.includes(label) ? [] : [axis],
  );
  if (alone.length === 0) return { tensor, labels };
  return {
    tensor: tf.sum(tensor, alone),
    labels: Array.from(labels)
      .filter((_, axis) => !alone.includes(axis))
      .join(''),
  };
}

function arrange(tensor: Tensor, from: string, to: string): Tensor {
  return from === to
    ? tensor
    : tf.transpose(
        tensor,
        Array.from(to).map((label) => from.indexOf(label)),
      );
}

function lengthsOf({ tensor, labels }: Labelled): [string, number][] {
  return Array.from(labels).map((label, axis) => [label, tensor.shape[axis]!]);
}
