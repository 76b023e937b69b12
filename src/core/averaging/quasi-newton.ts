/**
 * Limited-memory quasi-Newton minimisation of a function that is costly to evaluate, over the whole space or over a
 * convex set that is cheap to project onto: L-BFGS (Nocedal and Wright, "Numerical Optimization", 2006, chapter 7), and
 * with a projection the algorithm of Schmidt, van den Berg, Friedlander and Murphy, "Optimizing costly functions with
 * simple constraints" (AISTATS 2009), whose steps minimise the L-BFGS model over the set.
 *
 * A backtracking line search with interpolation serves both: the gradient comes with the value, so that nothing is won
 * by asking for less, and pairs without positive curvature are left out instead of searched for. A value that is not
 * finite counts as too far.
 */
import { Matrix, LuDecomposition } from 'ml-matrix';
import { throwIfAborted } from '../errors.ts';

export interface Evaluated {
  readonly value: number;
  readonly gradient: Float64Array;
}

export interface Problem {
  readonly start: Float64Array;
  evaluate(point: Float64Array): Promise<Evaluated>;
  /** Nearest point of the set; absent for the whole space. The start must lie in the set. */
  readonly project?: (point: Float64Array) => Float64Array;
  /** How far the first step goes, as long as nothing is known about the curvature. */
  readonly firstStep: number;
  readonly iterations: number;
  readonly signal?: AbortSignal | undefined;
  /** After every step; true ends the descent. */
  onStep?(step: Step): Promise<boolean>;
}

export interface Step {
  readonly point: Float64Array;
  readonly value: number;
  /** From 1. */
  readonly iteration: number;
  /** So far. */
  readonly evaluations: number;
}

export interface Descent {
  readonly point: Float64Array;
  readonly value: number;
  readonly iterations: number;
  readonly evaluations: number;
  readonly ended: 'converged' | 'iterations' | 'stopped';
}

/** Pairs that are remembered: enough for the whole descent in most cases. */
const MEMORY = 20;

/** A model that promises less than this, relative to the value, has converged: float32 losses are good to 1e-7. */
const CONVERGED = 1e-7;

/** Armijo's condition, with room for the rounding of float32. */
const SUFFICIENT = 1e-4;
const ROUNDING = 1e-7;

/** A cosine between step and change of gradient below this is noise of float32 gradients, not curvature. */
const FLAT = 1e-6;

/** 2^-20 of a step: the slope is not what the gradient says. */
const MOST_BACKTRACKS = 20;

/** Steps of the minimisation of the model over the set. They cost no evaluation. */
const MODEL_STEPS = 200;

interface Pair {
  /** Change of the point, and of the gradient. */
  readonly s: Float64Array;
  readonly y: Float64Array;
}

export async function minimize(problem: Problem): Promise<Descent> {
  const { iterations, signal } = problem;
  const pairs: Pair[] = [];
  let point = problem.start;
  let { value, gradient } = await problem.evaluate(point);
  let evaluations = 1;
  let iteration = 0;
  const end = (ended: Descent['ended']): Descent => ({
    point,
    value,
    iterations: iteration,
    evaluations,
    ended,
  });
  if (!Number.isFinite(value)) return end('stopped');

  while (iteration < iterations) {
    throwIfAborted(signal);
    const direction = directionFrom(point, gradient, pairs, problem);
    const slope = dot(gradient, direction);
    if (!(-slope > CONVERGED * Math.abs(value))) return end('converged');

    let length = 1;
    let next:
      { readonly point: Float64Array; readonly value: number; readonly gradient: Float64Array } | undefined;
    for (let backtrack = 0; backtrack < MOST_BACKTRACKS && next === undefined; backtrack++) {
      throwIfAborted(signal);
      const tried = point.map((one, i) => one + length * direction[i]!);
      const found = await problem.evaluate(tried);
      evaluations++;
      const fine = found.value <= value + SUFFICIENT * length * slope + ROUNDING * Math.abs(value);
      if (fine && found.gradient.every(Number.isFinite)) next = { point: tried, ...found };
      else length *= shrink(value, slope * length, found);
    }
    if (next === undefined) {
      if (pairs.length === 0) return end('converged');
      // A model that leads nowhere is forgotten.
      pairs.length = 0;
      continue;
    }

    const s = subtract(next.point, point);
    const y = subtract(next.gradient, gradient);
    if (dot(s, y) > FLAT * Math.sqrt(dot(s, s) * dot(y, y))) pairs.push({ s, y });
    if (pairs.length > MEMORY) pairs.shift();
    ({ point, value, gradient } = next);
    iteration++;
    if ((await problem.onStep?.({ point, value, iteration, evaluations })) === true) return end('stopped');
  }
  return end('iterations');
}

/** Where the parabola through value, slope and the value found has its minimum; a tenth where that says nothing. */
function shrink(value: number, slope: number, found: Evaluated): number {
  const parabola = -slope / (2 * (found.value - value - slope));
  return Number.isFinite(parabola) ? Math.min(0.5, Math.max(0.1, parabola)) : 0.1;
}

function directionFrom(
  point: Float64Array,
  gradient: Float64Array,
  pairs: readonly Pair[],
  { project, firstStep }: Problem,
): Float64Array {
  if (pairs.length === 0) {
    const scale = firstStep / Math.max(Number.MIN_VALUE, norm(gradient));
    const moved = point.map((one, i) => one - scale * gradient[i]!);
    return project === undefined ? subtract(moved, point) : subtract(project(moved), point);
  }
  const newton = newtonDirection(gradient, pairs);
  if (project === undefined) return newton;
  return constrainedDirection(point, gradient, pairs, project, newton);
}

/** -H g by the two-loop recursion. */
function newtonDirection(gradient: Float64Array, pairs: readonly Pair[]): Float64Array {
  const q = gradient.slice();
  const alphas: number[] = [];
  for (const { s, y } of pairs.toReversed()) {
    const alpha = dot(s, q) / dot(s, y);
    alphas.push(alpha);
    addScaled(q, y, -alpha);
  }
  const scale = 1 / curvature(pairs);
  const r = q.map((one) => one * scale);
  for (const { s, y } of pairs) addScaled(r, s, alphas.pop()! - dot(y, r) / dot(s, y));
  return r.map((one) => -one);
}

/** Of the newest pair: what the model assumes where it knows nothing. */
function curvature(pairs: readonly Pair[]): number {
  const { s, y } = pairs.at(-1)!;
  return dot(y, y) / dot(s, y);
}

/**
 * From `point` to the minimum of g d + d B d / 2 over the set, by spectral projected gradients (Birgin, Martinez and
 * Raydan, 2000) with exact steps along feasible directions.
 */
function constrainedDirection(
  point: Float64Array,
  gradient: Float64Array,
  pairs: readonly Pair[],
  project: (point: Float64Array) => Float64Array,
  newton: Float64Array,
): Float64Array {
  const timesB = hessian(pairs);
  let d = subtract(project(point.map((one, i) => one + newton[i]!)), point);
  let bd = timesB(d);
  // Along d the model is a parabola: no further than its minimum, and not beyond the set.
  const best = Math.min(1, Math.max(0, -dot(gradient, d) / dot(d, bd)));
  if (!Number.isFinite(best)) return subtract(project(point.map((one, i) => one - gradient[i]!)), point);
  d = d.map((one) => best * one);
  bd = bd.map((one) => best * one);
  let spectral = 1 / curvature(pairs);
  const small = 1e-10 * Math.max(norm(gradient), Number.MIN_VALUE) * spectral;
  for (let step = 0; step < MODEL_STEPS; step++) {
    const ofModel = gradient.map((one, i) => one + bd[i]!);
    const moved = project(point.map((one, i) => one + d[i]! - spectral * ofModel[i]!));
    const along = moved.map((one, i) => one - point[i]! - d[i]!);
    if (norm(along) <= small) break;
    const bAlong = timesB(along);
    const bend = dot(along, bAlong);
    const length = bend > 0 ? Math.min(1, -dot(ofModel, along) / bend) : 1;
    addScaled(d, along, length);
    addScaled(bd, bAlong, length);
    if (bend > 0) spectral = dot(along, along) / bend;
  }
  return d;
}

/** v -> B v in the compact representation (Nocedal and Wright, theorem 7.4). */
function hessian(pairs: readonly Pair[]): (vector: Float64Array) => Float64Array {
  const m = pairs.length;
  const sigma = curvature(pairs);
  const middle = new Matrix(2 * m, 2 * m);
  for (const [i, { s }] of pairs.entries()) {
    for (const [j, other] of pairs.entries()) {
      middle.set(i, j, sigma * dot(s, other.s));
      const sy = dot(s, other.y);
      if (i > j) {
        middle.set(i, m + j, sy);
        middle.set(m + j, i, sy);
      }
      if (i === j) middle.set(m + i, m + i, -sy);
    }
  }
  const factors = new LuDecomposition(middle);
  return (vector) => {
    const product = vector.map((one) => sigma * one);
    if (factors.isSingular()) return product;
    const right = [...pairs.map(({ s }) => sigma * dot(s, vector)), ...pairs.map(({ y }) => dot(y, vector))];
    const solved = factors.solve(Matrix.columnVector(right)).to1DArray();
    for (const [i, { s, y }] of pairs.entries()) {
      addScaled(product, s, -sigma * solved[i]!);
      addScaled(product, y, -solved[m + i]!);
    }
    return product;
  };
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

function norm(a: Float64Array): number {
  return Math.sqrt(dot(a, a));
}

function subtract(a: Float64Array, b: Float64Array): Float64Array {
  return a.map((one, i) => one - b[i]!);
}

/** into += scale * vector */
function addScaled(into: Float64Array, vector: Float64Array, scale: number): void {
  for (let i = 0; i < into.length; i++) into[i] = into[i]! + scale * vector[i]!;
}
