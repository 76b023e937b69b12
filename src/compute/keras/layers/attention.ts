/** Attention over one axis: [batch, steps, features]. */
import { tf } from '../../tf.ts';
import type { Tensor } from '../../tf.ts';
import { isIntegers, Refusal } from '../config.ts';
import { tensorsIn } from '../layer.ts';
import type { LayerBuilder, LayerCall, LayerDefinition, Run, Slot } from '../layer.ts';
import { repeat } from '../math.ts';
import { drop } from './regularization.ts';

/** Far below any score, and finite in float32 after a subtraction: -0.7 times the largest number, as in Keras. */
const NEVER = -2.3819763e38;

interface Projection {
  readonly kernel: Slot;
  readonly bias: Slot | undefined;
}

/** [B, T, D] x [D, heads, size] -> [B, heads, T, size] */
function project(x: Tensor, { kernel, bias }: Projection): Tensor {
  const [inputs, heads, size] = kernel.read().shape as [number, number, number];
  const [batch, steps] = x.shape as [number, number];
  const flat = tf.matMul(tf.reshape(x, [-1, inputs]), tf.reshape(kernel.read(), [inputs, heads * size]));
  const split = tf.reshape(flat, [batch, steps, heads, size]);
  return tf.transpose(bias === undefined ? split : tf.add(split, bias.read()), [0, 2, 1, 3]);
}

/** Weights of several heads: how Keras makes them, with the number of heads of queries and of keys. */
function projections(
  builder: LayerBuilder,
  heads: number,
  keyHeads: number,
  keySize: number,
  valueSize: number,
) {
  const { config } = builder;
  const useBias = config.flag('use_bias', true);
  const make = (
    attribute: string,
    shape: readonly (number | undefined)[],
    biasShape: readonly (number | undefined)[],
  ): Projection => {
    const { weight } = builder.part(attribute, 'EinsumDense');
    return { kernel: weight('kernel', shape), bias: useBias ? weight('bias', biasShape) : undefined };
  };
  const query = make('query_dense', [undefined, heads, keySize], [heads, keySize]);
  const key = make('key_dense', [undefined, keyHeads, keySize], [keyHeads, keySize]);
  const gated = config.flag('use_gate', false);
  const gate = gated ? make('gate_dense', [undefined, heads, valueSize], [heads, valueSize]) : undefined;
  const value = make('value_dense', [undefined, keyHeads, valueSize], [keyHeads, valueSize]);
  const output = make('output_dense', [heads, valueSize, undefined], [undefined]);
  return { query, key, gate, value, output };
}

function multiHead(
  builder: LayerBuilder,
  heads: number,
  keyHeads: number,
  keySize: number,
  valueSize: number,
): LayerCall {
  const { config } = builder;
  const rate = config.number('dropout', 0);
  const window = config.has('sliding_window') ? config.count('sliding_window') : undefined;
  const weights = projections(builder, heads, keyHeads, keySize, valueSize);
  return (args, named, run) => {
    const at = (index: number, name: string): unknown => args[index] ?? named.get(name);
    const query = tensorAt(at(0, 'query'), 'query');
    const value = tensorAt(at(1, 'value'), 'value');
    const key = at(2, 'key') === undefined ? value : tensorAt(at(2, 'key'), 'key');
    for (const { rank } of [query, value, key]) {
      if (rank !== 3) throw new Error('it attends over several axes, which is not known here');
    }
    const shared = heads / keyHeads;
    const q = tf.mul(project(query, weights.query), 1 / Math.sqrt(keySize));
    const k = repeat(project(key, weights.key), 1, shared);
    const v = repeat(project(value, weights.value), 1, shared);
    const explicit = named.get('attention_mask');
    const causal = named.get('use_causal_mask') === true;
    // Kept before the layer, which Keras calls without masks, hands them on.
    const mask = jointMask(
      run.masks.of(query),
      [tensorIn(named.get('query_mask')), run.masks.of(value), key === value ? undefined : run.masks.of(key)],
      explicit instanceof tf.Tensor ? explicit : undefined,
      causal,
      window,
      [query.shape[1]!, value.shape[1]!],
    );
    const raw = tf.matMul(q, k, false, true);
    const scores = tf.softmax(mask === undefined ? raw : tf.where(headMask(mask, raw), raw, NEVER));
    const kept = run.training ? drop(scores, rate) : scores;
    let mixed = tf.transpose(tf.matMul(kept, v), [0, 2, 1, 3]);
    if (weights.gate !== undefined) {
      mixed = tf.mul(mixed, tf.transpose(tf.sigmoid(project(query, weights.gate)), [0, 2, 1, 3]));
    }
    const result = combine(mixed, weights.output);
    run.masks.set(result, run.masks.of(query));
    return named.get('return_attention_scores') === true ? [result, scores] : result;
  };
}

/** [B, T, heads, size] x [heads, size, D] -> [B, T, D] */
function combine(x: Tensor, { kernel, bias }: Projection): Tensor {
  const [heads, size, outputs] = kernel.read().shape as [number, number, number];
  const [batch, steps] = x.shape as [number, number];
  const flat = tf.matMul(
    tf.reshape(x, [-1, heads * size]),
    tf.reshape(kernel.read(), [heads * size, outputs]),
  );
  const result = tf.reshape(flat, [batch, steps, outputs]);
  return bias === undefined ? result : tf.add(result, bias.read());
}

/** Which step may look at which: boolean [B or 1, T, S]. */
function jointMask(
  queryMask: Tensor | undefined,
  [givenQuery, valueMask, keyMask]: readonly (Tensor | undefined)[],
  explicit: Tensor | undefined,
  causal: boolean,
  window: number | undefined,
  [steps, seen]: readonly [number, number],
): Tensor | undefined {
  const rows = [queryMask, givenQuery].flatMap((mask) =>
    mask === undefined ? [] : [tf.expandDims(mask, -1)],
  );
  const columns = [valueMask, keyMask].flatMap((mask) =>
    mask === undefined ? [] : [tf.expandDims(mask, -2)],
  );
  const all = [...rows, ...columns];
  if (causal) all.push(pattern(steps, seen, (t, s) => t >= s));
  if (window !== undefined) all.push(pattern(steps, seen, (t, s) => Math.abs(t - s) < window));
  if (explicit !== undefined) all.push(tf.cast(explicit, 'bool'));
  if (all.length === 0) return undefined;
  return all.reduce((joined, mask) => tf.logicalAnd(joined, mask));
}

function pattern(steps: number, seen: number, sees: (t: number, s: number) => boolean): Tensor {
  const values = Array.from({ length: steps * seen }, (_, i) => sees(Math.floor(i / seen), i % seen));
  return tf.tensor(values.map(Number), [1, steps, seen], 'bool');
}

/** [B or 1, T, S] or with heads -> the shape of the scores, which tf.where needs on some backends. */
function headMask(mask: Tensor, scores: Tensor): Tensor {
  const spread = mask.rank < scores.rank ? tf.expandDims(mask, -3) : mask;
  return tf.cast(tf.broadcastTo(tf.cast(spread, 'int32'), scores.shape), 'bool');
}

function tensorAt(value: unknown, name: string): Tensor {
  if (value instanceof tf.Tensor) return value as Tensor;
  throw new Error(`it is given no ${name}`);
}

const tensorIn = (value: unknown): Tensor | undefined => (value instanceof tf.Tensor ? value : undefined);

const multiHeadAttention: LayerDefinition = {
  masking: 'own',
  build(builder) {
    const { config } = builder;
    const axes = config.raw('attention_axes');
    if (axes !== undefined && !(isIntegers(axes) && axes.length === 1 && axes[0] === 1) && axes !== 1) {
      throw new Refusal('attends over several axes, which is not known here.');
    }
    const heads = config.count('num_heads');
    const size = config.count('key_dim');
    const valueSize = config.raw('value_dim') === 0 ? size : config.count('value_dim', size);
    const shape = config.raw('output_shape');
    if (Array.isArray(shape) && shape.length > 1) throw new Refusal('has an output_shape of several axes.');
    return multiHead(builder, heads, heads, size, valueSize);
  },
};

const groupedQueryAttention: LayerDefinition = {
  masking: 'own',
  build(builder) {
    const { config } = builder;
    const [heads, keyHeads] = [config.count('num_query_heads'), config.count('num_key_value_heads')];
    if (heads % keyHeads !== 0) throw new Refusal(`cannot share ${keyHeads} heads among ${heads}.`);
    const size = config.count('head_dim');
    return multiHead(builder, heads, keyHeads, size, size);
  },
};

/** Without projections: a list of query, value and maybe key. */
function plainAttention(
  scoresOf: (builder: LayerBuilder) => (query: Tensor, key: Tensor) => Tensor,
): LayerDefinition {
  return {
    masking: 'own',
    build(builder) {
      const rate = builder.config.number('dropout', 0);
      const score = scoresOf(builder);
      return (args, named, run: Run) => {
        const [query, value, third] = tensorsIn(args.length > 0 ? args[0] : [...named.values()][0]);
        if (query === undefined || value === undefined)
          throw new Error('it is not given a query and a value');
        const raw = score(query, third ?? value);
        const causal = named.get('use_causal_mask') === true;
        const mask = jointMask(undefined, [undefined, run.masks.of(value)], undefined, causal, undefined, [
          query.shape[1]!,
          value.shape[1]!,
        ]);
        const open =
          mask === undefined ? raw : tf.sub(raw, tf.mul(tf.cast(tf.logicalNot(mask), 'float32'), 1e9));
        const scores = tf.softmax(open);
        const mixed = tf.matMul(run.training ? drop(scores, rate) : scores, value);
        const queryMask = run.masks.of(query);
        const result =
          queryMask === undefined ? mixed : tf.mul(mixed, tf.cast(tf.expandDims(queryMask, -1), 'float32'));
        run.masks.set(result, queryMask);
        return named.get('return_attention_scores') === true ? [result, scores] : result;
      };
    },
  };
}

const attention = plainAttention(({ config, weight }) => {
  const scale = config.flag('use_scale', false) ? weight('scale', []) : undefined;
  const scaled = (x: Tensor): Tensor => (scale === undefined ? x : tf.mul(x, scale.read()));
  if (config.choice('score_mode', ['dot', 'concat'], 'dot') === 'dot') {
    return (query, key) => scaled(tf.matMul(query, key, false, true));
  }
  const factor = weight('concat_score_weight', []);
  return (query, key) => tf.mul(tf.sum(tf.tanh(scaled(pairSums(query, key))), -1), factor.read());
});

const additiveAttention = plainAttention(({ config, weight }) => {
  const scale = config.flag('use_scale', true) ? weight('scale', [undefined]) : undefined;
  return (query, key) => {
    const pairs = tf.tanh(pairSums(query, key));
    return tf.sum(scale === undefined ? pairs : tf.mul(pairs, scale.read()), -1);
  };
});

/** [B, T, D] and [B, S, D] -> [B, T, S, D] */
function pairSums(query: Tensor, key: Tensor): Tensor {
  return tf.add(tf.expandDims(query, 2), tf.expandDims(key, 1));
}

export const attentionLayers: readonly (readonly [string, LayerDefinition])[] = [
  ['MultiHeadAttention', multiHeadAttention],
  ['GroupQueryAttention', groupedQueryAttention],
  ['GroupedQueryAttention', groupedQueryAttention],
  ['Attention', attention],
  ['AdditiveAttention', additiveAttention],
];
