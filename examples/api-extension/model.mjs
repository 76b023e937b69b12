// @ts-check
// What training and the engine share.

/** @param {ReadonlyMap<string, Float32Array>} weights @param {string} name */
export function tensor(weights, name) {
  const values = weights.get(name);
  if (values === undefined) throw new Error(`The checkpoint has no tensor ${name}.`);
  return values;
}

/** z = W x + b; W is [classes, features], row-major. @param {ReadonlyMap<string, Float32Array>} weights @param {number[]} x */
export function scores(weights, x) {
  const W = tensor(weights, 'W');
  return Array.from(tensor(weights, 'b'), (bias, k) =>
    x.reduce((sum, value, j) => sum + W[k * x.length + j] * value, bias),
  );
}

/** @param {number[]} z */
export function softmax(z) {
  const largest = Math.max(...z);
  const powers = z.map((value) => Math.exp(value - largest));
  const total = powers.reduce((sum, power) => sum + power, 0);
  return powers.map((power) => power / total);
}

/** Lines "split,label,x1,x2,...". @param {string} csv */
export function readExamples(csv) {
  /** @type {Record<'train' | 'validation' | 'test', { x: number[], y: number }[]>} */
  const splits = { train: [], validation: [], test: [] };
  for (const line of csv.trim().split('\n').slice(1)) {
    const [split, label, ...values] = line.split(',');
    splits[/** @type {keyof typeof splits} */ (split)].push({ x: values.map(Number), y: Number(label) });
  }
  return splits;
}
