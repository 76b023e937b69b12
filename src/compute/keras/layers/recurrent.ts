/** LSTM, GRU and SimpleRNN, alone, as cells of an RNN, stacked, and in both directions. */
import { isRecord } from '../../../core/checkpoints/json.ts';
import { tf } from '../../tf.ts';
import type { Tensor } from '../../tf.ts';
import { activationOf } from '../activations.ts';
import { Config, Refusal } from '../config.ts';
import { callLayer, firstTensor, one, tensorsIn } from '../layer.ts';
import type { Layer, LayerBuilder, LayerCall, LayerDefinition, Output, Run } from '../layer.ts';
import { snakeCase } from '../names.ts';
import { drop } from './regularization.ts';

/** One step of a sequence. */
interface Cell {
  /** Length of each state; the first one is the output. */
  readonly states: readonly number[];
  readonly units: number;
  /** For one sequence: in training it draws its dropout, which is then the same for every step. */
  begin(batch: number, run: Run): Steps;
}
interface Steps {
  /** What depends on the inputs alone, for all steps at once: [..., features] -> [..., projected]. */
  project(x: Tensor): Tensor;
  step(projected: Tensor, states: readonly Tensor[]): { output: Tensor; states: readonly Tensor[] };
}

type CellBuilder = Pick<LayerBuilder, 'config' | 'weight' | 'isKeras2'>;

const CELLS: ReadonlyMap<string, (builder: CellBuilder) => Cell> = new Map([
  ['LSTM', lstmCell],
  ['GRU', gruCell],
  ['SimpleRNN', simpleCell],
]);

/** x kernel + bias, with the dropout of inputs. */
function projection(
  { config }: CellBuilder,
  kernel: { read(): Tensor },
  bias: (() => Tensor) | undefined,
): (batch: number, run: Run) => (x: Tensor) => Tensor {
  const rate = config.number('dropout', 0);
  return (batch, run) => {
    let mask: Tensor | undefined;
    return (x) => {
      const weights = kernel.read();
      const [features, gates] = weights.shape as [number, number];
      let inputs = x;
      if (run.training && rate > 0) {
        mask ??= drop(tf.ones([batch, features]), rate);
        inputs = tf.mul(x, x.rank === 3 ? tf.expandDims(mask, 1) : mask);
      }
      const flat = tf.matMul(tf.reshape(inputs, [-1, features]), weights);
      const product = tf.reshape(flat, [...x.shape.slice(0, -1), gates]);
      return bias === undefined ? product : tf.add(product, bias());
    };
  };
}

function recurrentDropout(
  { config }: CellBuilder,
  units: number,
): (batch: number, run: Run) => (h: Tensor) => Tensor {
  const rate = config.number('recurrent_dropout', 0);
  return (batch, run) => {
    if (!run.training || rate === 0) return (h) => h;
    const mask = drop(tf.ones([batch, units]), rate);
    return (h) => tf.mul(h, mask);
  };
}

function commonOf(builder: CellBuilder, gates: number) {
  const { config, weight } = builder;
  const units = config.count('units');
  const kernel = weight('kernel', [undefined, gates * units]);
  const recurrent = weight('recurrent_kernel', [units, gates * units]);
  return { units, kernel, recurrent, useBias: config.flag('use_bias', true) };
}

function activationsOf({ config, isKeras2 }: CellBuilder) {
  return {
    activation: activationOf(config.raw('activation') ?? 'tanh', isKeras2),
    recurrentActivation: activationOf(config.raw('recurrent_activation') ?? 'sigmoid', isKeras2),
  };
}

function lstmCell(builder: CellBuilder): Cell {
  const { units, kernel, recurrent, useBias } = commonOf(builder, 4);
  const { activation, recurrentActivation } = activationsOf(builder);
  const bias = useBias ? builder.weight('bias', [4 * units]) : undefined;
  const inputs = projection(builder, kernel, bias === undefined ? undefined : () => bias.read());
  const dropped = recurrentDropout(builder, units);
  return {
    states: [units, units],
    units,
    begin(batch, run) {
      const keep = dropped(batch, run);
      return {
        project: inputs(batch, run),
        step(projected, [h, c]) {
          const gates = tf.add(projected, tf.matMul(keep(h!), recurrent.read()));
          const [i, f, candidate, o] = tf.split(gates, 4, 1) as [Tensor, Tensor, Tensor, Tensor];
          const kept = tf.mul(recurrentActivation(f), c!);
          const cell = tf.add(kept, tf.mul(recurrentActivation(i), activation(candidate)));
          const output = tf.mul(recurrentActivation(o), activation(cell));
          return { output, states: [output, cell] };
        },
      };
    },
  };
}

function gruCell(builder: CellBuilder): Cell {
  const { units, kernel, recurrent, useBias } = commonOf(builder, 3);
  const { activation, recurrentActivation } = activationsOf(builder);
  // Keras 1 reset before the product; files that do not say are that old.
  const resetAfter = builder.config.flag('reset_after', !builder.isKeras2);
  const bias = useBias ? builder.weight('bias', resetAfter ? [2, 3 * units] : [3 * units]) : undefined;
  const row = (at: 0 | 1): Tensor => tf.reshape(tf.slice(bias!.read(), [at, 0], [1, 3 * units]), [3 * units]);
  const inputBias = bias === undefined ? undefined : () => (resetAfter ? row(0) : bias.read());
  const inputs = projection(builder, kernel, inputBias);
  const dropped = recurrentDropout(builder, units);
  return {
    states: [units],
    units,
    begin(batch, run) {
      const keep = dropped(batch, run);
      const weights = recurrent.read();
      const gateKernel = tf.slice(weights, [0, 0], [units, 2 * units]);
      const candidateKernel = tf.slice(weights, [0, 2 * units], [units, units]);
      const recurrentBias = bias !== undefined && resetAfter ? row(1) : undefined;
      return {
        project: inputs(batch, run),
        step(projected, [h]) {
          const before = keep(h!);
          const [xz, xr, xh] = tf.split(projected, 3, 1) as [Tensor, Tensor, Tensor];
          let candidate: Tensor;
          let z: Tensor;
          if (resetAfter) {
            const product = tf.matMul(before, weights);
            const inner = recurrentBias === undefined ? product : tf.add(product, recurrentBias);
            const [hz, hr, hh] = tf.split(inner, 3, 1) as [Tensor, Tensor, Tensor];
            z = recurrentActivation(tf.add(xz, hz));
            const r = recurrentActivation(tf.add(xr, hr));
            candidate = activation(tf.add(xh, tf.mul(r, hh)));
          } else {
            const [hz, hr] = tf.split(tf.matMul(before, gateKernel), 2, 1) as [Tensor, Tensor];
            z = recurrentActivation(tf.add(xz, hz));
            const r = recurrentActivation(tf.add(xr, hr));
            candidate = activation(tf.add(xh, tf.matMul(tf.mul(r, before), candidateKernel)));
          }
          const output = tf.add(tf.mul(z, h!), tf.mul(tf.sub(1, z), candidate));
          return { output, states: [output] };
        },
      };
    },
  };
}

function simpleCell(builder: CellBuilder): Cell {
  const { units, kernel, recurrent, useBias } = commonOf(builder, 1);
  const { activation } = activationsOf(builder);
  const bias = useBias ? builder.weight('bias', [units]) : undefined;
  const inputs = projection(builder, kernel, bias === undefined ? undefined : () => bias.read());
  const dropped = recurrentDropout(builder, units);
  return {
    states: [units],
    units,
    begin(batch, run) {
      const keep = dropped(batch, run);
      return {
        project: inputs(batch, run),
        step(projected, [h]) {
          const output = activation(tf.add(projected, tf.matMul(keep(h!), recurrent.read())));
          return { output, states: [output] };
        },
      };
    },
  };
}

function stackedCell(cells: readonly Cell[]): Cell {
  const sizes = cells.map(({ states }) => states.length);
  return {
    states: cells.flatMap(({ states }) => states),
    units: cells.at(-1)?.units ?? 0,
    begin(batch, run) {
      const steps = cells.map((cell) => cell.begin(batch, run));
      return {
        project: (x) => x,
        step(x, states) {
          let value = x;
          let at = 0;
          const next: Tensor[] = [];
          for (const [i, cell] of steps.entries()) {
            const own = states.slice(at, at + sizes[i]!);
            at += sizes[i]!;
            const result = cell.step(cell.project(value), own);
            value = result.output;
            next.push(...result.states);
          }
          return { output: value, states: next };
        },
      };
    },
  };
}

interface Loop {
  readonly cell: Cell;
  readonly backwards: boolean;
  readonly sequences: boolean;
  readonly returnsState: boolean;
  readonly zeroOutput: boolean;
}

/** The last output or all of them, and the states. */
function unroll(
  { cell, backwards, sequences, returnsState, zeroOutput }: Loop,
  x: Tensor,
  initial: readonly Tensor[],
  run: Run,
): { result: Tensor; states: readonly Tensor[]; returnsState: boolean } {
  if (x.rank !== 3)
    throw new Error(`it takes [steps, features] per example, and is given ${x.rank - 1} axes`);
  const [batch, length] = x.shape as [number, number];
  const mask = run.masks.of(x);
  const steps = cell.begin(batch, run);
  // In a copy: tfjs's gradient goes by the list that it gave.
  const inTime = (all: readonly Tensor[]): readonly Tensor[] => (backwards ? all.toReversed() : all);
  const inputs = inTime(tf.unstack(steps.project(x), 1));
  const masks = mask === undefined ? undefined : inTime(tf.unstack(tf.cast(mask, 'float32'), 1));
  let states: readonly Tensor[] =
    initial.length > 0 ? initial : cell.states.map((size): Tensor => tf.zeros([batch, size]));
  let output: Tensor = tf.zeros([batch, cell.units]);
  const outputs: Tensor[] = [];
  for (let t = 0; t < length; t++) {
    const next = steps.step(inputs[t]!, states);
    if (masks === undefined) {
      output = next.output;
      states = next.states;
    } else {
      // A step that does not count changes nothing.
      const counts = tf.expandDims(masks[t]!, 1);
      const choose = (now: Tensor, before: Tensor): Tensor =>
        tf.add(before, tf.mul(tf.sub(now, before), counts));
      output = choose(next.output, output);
      states = next.states.map((state, i) => choose(state, states[i]!));
      if (zeroOutput) {
        outputs.push(tf.mul(output, counts));
        continue;
      }
    }
    outputs.push(output);
  }
  return { result: sequences ? tf.stack(outputs, 1) : outputs.at(-1)!, states, returnsState };
}

function loopOf(config: Config, cell: Cell): Loop {
  if (config.flag('stateful', false)) {
    throw new Refusal(
      'is stateful: it goes on from one batch to the next, which examples by index have not.',
    );
  }
  return {
    cell,
    backwards: config.flag('go_backwards', false),
    sequences: config.flag('return_sequences', false),
    returnsState: config.flag('return_state', false),
    zeroOutput: config.flag('zero_output_for_mask', false),
  };
}

/** Calls with a sequence, and maybe initial states. */
function recurrentCall(loop: Loop): LayerCall {
  return (args, named, run) => {
    const [x, ...more] = tensorsIn([...args]);
    const sequence = x ?? firstTensor([], named);
    const initial = [...more, ...tensorsIn(named.get('initial_state'))];
    const { result, states } = unroll(loop, sequence, initial, run);
    if (loop.sequences) run.masks.set(result, run.masks.of(sequence));
    return loop.returnsState ? [result, ...states] : result;
  };
}

/** A layer with its one cell: LSTM with an LSTMCell. */
const withCell = (kind: string): LayerDefinition => ({
  masking: 'own',
  build(builder) {
    const part = builder.part('cell', `${kind}Cell`);
    return recurrentCall(loopOf(builder.config, CELLS.get(kind)!({ ...builder, weight: part.weight })));
  },
});

/** RNN(cell), where the cell is described by itself. */
const rnn: LayerDefinition = {
  masking: 'own',
  build: (builder) =>
    recurrentCall(loopOf(builder.config, cellFrom(builder, 'cell', builder.config.raw('cell')))),
};

/** @param attribute Path of the cell from the layer. */
function cellFrom(builder: LayerBuilder, attribute: string, entry: unknown): Cell {
  const config = isRecord(entry) && isRecord(entry['config']) ? entry['config'] : undefined;
  const className = isRecord(entry) ? String(entry['class_name']) : '';
  if (config === undefined) throw new Refusal('has a cell that is none.');
  if (className === 'StackedRNNCells') {
    const cells = new Config(config).list('cells') ?? [];
    const used = new Map<string, number>();
    return stackedCell(
      cells.map((cell) => {
        const name = snakeCase(isRecord(cell) ? String(cell['class_name']) : '');
        const count = used.get(name) ?? 0;
        used.set(name, count + 1);
        return cellFrom(builder, `${attribute}/cells/${count === 0 ? name : `${name}_${count}`}`, cell);
      }),
    );
  }
  const kind = CELLS.get(className.replace(/Cell$/, ''));
  if (kind === undefined) throw new Refusal(`has the cell ${className}, which is not known here.`);
  const { weight } = builder.part(attribute, className);
  return kind({ config: new Config(config), weight, isKeras2: builder.isKeras2 });
}

const bidirectional: LayerDefinition = {
  masking: 'own',
  build(builder) {
    const { config } = builder;
    const entry = config.raw('layer');
    const mode = config.has('merge_mode')
      ? config.choice('merge_mode', ['sum', 'mul', 'ave', 'concat'])
      : undefined;
    const forward = builder.layer('forward_layer', withMaskedZeros(entry, {}));
    const given = config.raw('backward_layer');
    const backward = builder.layer(
      'backward_layer',
      withMaskedZeros(given ?? entry, given === undefined ? { go_backwards: true } : {}),
    );
    const inner = isRecord(entry) && isRecord(entry['config']) ? new Config(entry['config']) : new Config({});
    const sequences = inner.flag('return_sequences', false);
    return (args, named, run) => {
      const [x, ...initial] = [...tensorsIn([...args]), ...tensorsIn(named.get('initial_state'))];
      if (x === undefined) throw new Error('it is given no sequence');
      const half = initial.length / 2;
      const there = tensorsIn(callLayer(forward, [x, ...initial.slice(0, half)], new Map(), run));
      const back = tensorsIn(callLayer(backward, [x, ...initial.slice(half)], new Map(), run));
      const y = there[0]!;
      const reversed = sequences ? tf.reverse(back[0]!, 1) : back[0]!;
      const merged = merge(mode, y, reversed);
      if (sequences) for (const tensor of tensorsIn(merged)) run.masks.set(tensor, run.masks.of(x));
      const states = [...there.slice(1), ...back.slice(1)];
      return states.length === 0 ? merged : [merged, ...states];
    };
  },
};

function merge(mode: 'concat' | 'sum' | 'ave' | 'mul' | undefined, y: Tensor, reversed: Tensor): Output {
  switch (mode) {
    case 'concat':
      return tf.concat([y, reversed], y.rank - 1);
    case 'sum':
      return tf.add(y, reversed);
    case 'ave':
      return tf.div(tf.add(y, reversed), 2);
    case 'mul':
      return tf.mul(y, reversed);
    case undefined:
      return [y, reversed];
  }
}

/** Keras's Bidirectional makes steps that do not count zero where it gives all of them. */
function withMaskedZeros(entry: unknown, more: Readonly<Record<string, unknown>>): unknown {
  if (!isRecord(entry) || !isRecord(entry['config'])) return entry;
  const { config } = entry;
  const zero = { zero_output_for_mask: config['return_sequences'] === true };
  return { ...entry, config: { ...config, ...zero, ...more } };
}

/** A layer at every step: the steps become examples, unless the layer has statistics of its batch. */
const timeDistributed: LayerDefinition = {
  masking: 'keep',
  build(builder) {
    const layer = builder.layer('layer', builder.config.raw('layer'));
    return one((x, run) => {
      const [batch, steps] = x.shape as [number, number];
      if (run.training && containsNorm(layer)) {
        const outputs = tf.unstack(x, 1).map((step) => callLayer(layer, [step], new Map(), run) as Tensor);
        return tf.stack(outputs, 1);
      }
      const flat = tf.reshape(x, [batch * steps, ...x.shape.slice(2)]);
      const y = callLayer(layer, [flat], new Map(), run) as Tensor;
      return tf.reshape(y, [batch, steps, ...y.shape.slice(1)]);
    });
  },
};

function containsNorm(layer: Pick<Layer, 'norms' | 'children'>): boolean {
  return (
    layer.norms.length > 0 ||
    layer.children.some(({ layers }) => [layers].flat().some((child) => containsNorm(child)))
  );
}

export const recurrentLayers: readonly (readonly [string, LayerDefinition])[] = [
  ['LSTM', withCell('LSTM')],
  ['GRU', withCell('GRU')],
  ['SimpleRNN', withCell('SimpleRNN')],
  ['RNN', rnn],
  ['Bidirectional', bidirectional],
  ['TimeDistributed', timeDistributed],
];
