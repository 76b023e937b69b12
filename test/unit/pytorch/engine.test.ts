/** What the interpreter answers, against plain PyTorch: an explicit sum of state_dicts, autograd through it. */
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, test, type TestContext } from 'node:test';
import { centredGram } from '../../../src/core/averaging/gram.ts';
import type { BufferMode } from '../../../src/core/averaging/types.ts';
import { floats, parseLoaded, parseOpened, texts } from '../../../src/compute/pytorch/messages.ts';
import type { MemoryMode } from '../../../src/compute/protocol.ts';
import {
  copyRun,
  open,
  reference,
  runDirectory,
  skip,
  sourcesIn,
  start,
  type Kind,
  type Reference,
  type Started,
} from './python.ts';

/** float32 sums of some 200 terms, in another order than the reference's. */
const SINGLE = 2e-6;
/** The same in float64. */
const DOUBLE = 1e-12;

const ALL_TEST_ROWS = Int32Array.from({ length: 96 }, (_, row) => row);
const ALL_TRAIN_ROWS = Int32Array.from({ length: 192 }, (_, row) => row);

async function load(
  started: Started,
  directory: string,
  kind: Kind,
  memory: MemoryMode,
  blocks?: string[][],
) {
  const checkpoints = await sourcesIn(directory, kind);
  const { fields, arrays } = await started.process.request({
    kind: 'load',
    checkpoints,
    memory,
    ...(blocks === undefined ? {} : { blocks }),
  });
  return parseLoaded(fields, arrays);
}

async function step({ process }: Started, { rows }: Reference, coefficients: Float64Array, gradient = 4) {
  const { arrays } = await process.request(
    { kind: 'step', split: 'validation', gradient, random: 1 },
    { coefficients, examples: Int32Array.from(rows) },
  );
  return { loss: floats(arrays, 'loss')[0]!, gradient: floats(arrays, 'gradient') };
}

async function evaluate({ process }: Started, coefficients: readonly number[], buffers: BufferMode) {
  const { fields, arrays } = await process.request(
    { kind: 'evaluate', split: 'test', point: 'mix', buffers, random: 1 },
    {
      coefficients: Float64Array.from(coefficients),
      examples: ALL_TEST_ROWS,
      calibration: ALL_TRAIN_ROWS,
    },
  );
  assert.deepEqual(texts(fields, 'metrics'), ['accuracy']);
  assert.deepEqual([...floats(arrays, 'weights')], new Array(96).fill(1));
  return { losses: floats(arrays, 'loss'), accuracy: floats(arrays, 'accuracy') };
}

function close(found: ArrayLike<number>, wanted: ArrayLike<number>, tolerance: number, what: string): void {
  assert.equal(found.length, wanted.length, what);
  const scale = Math.max(1e-3, ...Array.from(wanted, Math.abs));
  for (let i = 0; i < wanted.length; i++) {
    const off = Math.abs(found[i]! - wanted[i]!) / scale;
    assert.ok(off <= tolerance, `${what} ${i}: ${found[i]!} is not ${wanted[i]!} (${off.toExponential(1)})`);
  }
}

/** Importing torch takes seconds: one process opens one task after the other. */
let started: Started;

async function ready(kind: Kind, more: Parameters<typeof open>[3] = {}) {
  const directory = runDirectory(kind);
  const sources = await sourcesIn(directory, kind);
  const { fields } = await open(started, directory, sources.at(-1)!, more);
  return { directory, opened: parseOpened(fields), wanted: reference(kind) };
}

describe('engine pytorch against plain PyTorch', { skip }, () => {
  before(async () => {
    started = await start(runDirectory('wide'));
  });
  after(() => started.process.close());

  test('float64: loss, gradient, Gram matrix and evaluation, in every exact memory mode', async () => {
    const { directory, wanted, opened } = await ready('wide');
    assert.deepEqual(opened.sizes, { train: 192, validation: 160, test: 96 });
    const coefficients = Float64Array.from(wanted.coefficients);
    for (const memory of ['auto', 'f32', 'host', 'files'] as const) {
      const loaded = await load(started, directory, 'wide', memory);
      assert.equal(loaded.memory, memory === 'auto' ? 'f32' : memory);
      const gram = centredGram(4, (i, h) => loaded.products[i * 5 + h]!);
      close(gram.centred, wanted.gram, DOUBLE, 'gram');
      const found = await step(started, wanted, coefficients);
      close([found.loss], [wanted.loss], DOUBLE, 'loss');
      close(found.gradient, wanted.gradient, DOUBLE, 'gradient');
      const evaluation = await evaluate(started, wanted.coefficients, 'average');
      close(evaluation.losses, wanted.losses, DOUBLE, 'losses');
      assert.deepEqual([...evaluation.accuracy], wanted.accuracy);
    }
  });

  test('float32: frozen, tied and buffered tensors, and rounded memory modes near their rounding', async () => {
    const { directory, wanted, opened } = await ready('mlp');
    // 12 x 12 once for two layers, two biases, a LayerNorm and the last layer; not the frozen 12.
    assert.equal(opened.parameters, 144 + 12 + 12 + 24 + 39);
    const coefficients = Float64Array.from(wanted.coefficients);
    // Rows are rounded relative to the distance between checkpoints, and so is their effect.
    const modes = { f32: SINGLE, files: SINGLE, host: SINGLE, bf16: 4e-3, int8: 4e-3 };
    for (const [memory, tolerance] of Object.entries(modes)) {
      const loaded = await load(started, directory, 'mlp', memory as MemoryMode);
      assert.equal(loaded.lossy, tolerance > SINGLE);
      close(
        centredGram(4, (i, h) => loaded.products[i * 5 + h]!).centred,
        wanted.gram,
        SINGLE,
        `${memory} gram`,
      );
      const found = await step(started, wanted, coefficients);
      close([found.loss], [wanted.loss], tolerance, `${memory} loss`);
      close(found.gradient, wanted.gradient, tolerance, `${memory} gradient`);
      if (tolerance > SINGLE) assert.notEqual(found.loss, wanted.loss, `${memory} is not rounded at all`);
      // What is evaluated is mixed from the files, whatever the steps use.
      close((await evaluate(started, wanted.coefficients, 'average')).losses, wanted.losses, SINGLE, memory);
    }
  });

  test('dict batches, safetensors without the second name of a tied weight; a single checkpoint', async () => {
    const { directory, wanted } = await ready('dict');
    await load(started, directory, 'dict', 'files');
    const found = await step(started, wanted, Float64Array.from(wanted.coefficients));
    close([found.loss], [wanted.loss], SINGLE, 'loss');
    close(found.gradient, wanted.gradient, SINGLE, 'gradient');
    const { arrays } = await started.process.request(
      { kind: 'evaluate', split: 'test', point: 'checkpoint', index: 1, buffers: 'newest', random: 1 },
      { examples: ALL_TEST_ROWS },
    );
    close(floats(arrays, 'loss'), wanted.second, SINGLE, 'second checkpoint');
  });

  test('BatchNorm: batch statistics in a step, statistics of the mix over all data in evaluation', async () => {
    const { directory, wanted, opened } = await ready('norm');
    assert.deepEqual(opened.running, ['bn.running_mean', 'bn.running_var']);
    for (const memory of ['f32', 'int8'] as const) {
      await load(started, directory, 'norm', memory);
      const found = await step(started, wanted, Float64Array.from(wanted.coefficients));
      const tolerance = memory === 'f32' ? SINGLE : 1e-2;
      close([found.loss], [wanted.loss], tolerance, 'loss');
      close(found.gradient, wanted.gradient, tolerance, 'gradient');
      const { arrays } = await started.process.request(
        { kind: 'recalibrate', random: 1 },
        { coefficients: Float64Array.from(wanted.coefficients), calibration: ALL_TRAIN_ROWS },
      );
      // In batches of 32, yet those of the whole split at once.
      close(floats(arrays, 'bn.running_mean'), wanted.running_mean!, SINGLE, 'mean');
      close(floats(arrays, 'bn.running_var'), wanted.running_var!, SINGLE, 'variance');
      const { losses } = await evaluate(started, wanted.coefficients, 'recalibrate');
      close(losses, wanted.losses, 1e-5, 'losses');
    }
    const averaged = await evaluate(started, wanted.coefficients, 'average');
    assert.notDeepEqual(averaged.losses, wanted.losses);
  });

  test('blocks: each with its own coefficients, and a gradient for each', async () => {
    const { directory, wanted, opened } = await ready('wide');
    const blocks = [
      opened.trained.filter((name) => name.startsWith('last')),
      opened.trained.filter((name) => !name.startsWith('last')),
    ];
    const loaded = await load(started, directory, 'wide', 'f32', blocks);
    const grams = [0, 1].map((b) => centredGram(4, (i, h) => loaded.products[(b * 5 + i) * 5 + h]!).centred);
    close(
      grams[0]!.map((value, at) => value + grams[1]![at]!),
      wanted.gram,
      DOUBLE,
      'grams',
    );
    const same = wanted.coefficients;
    const found = await step(started, wanted, Float64Array.of(...same, ...same, ...same), 8);
    const sum = wanted.gradient.map((_, i) => found.gradient[i]! + found.gradient[4 + i]!);
    close([found.loss], [wanted.loss], DOUBLE, 'loss');
    close(sum, wanted.gradient, DOUBLE, 'sum of the blocks');

    // Different ones: against finite differences, in float64.
    const at = Float64Array.of(0.6, -0.2, 0.3, 0.5, 0.1, 0.4, 0.3, 0.1, ...same);
    const { gradient } = await step(started, wanted, at, 8);
    const h = 1e-5;
    for (const i of [1, 6]) {
      const shifted = (by: number) => at.map((value, k) => (k === i ? value + by : value));
      const up = await step(started, wanted, shifted(h), 8);
      const down = await step(started, wanted, shifted(-h), 8);
      close([gradient[i]!], [(up.loss - down.loss) / (2 * h)], 1e-6, `finite difference ${i}`);
    }
  });

  test('micro-batches add up to the batch, mixed precision comes near it', async () => {
    const wanted = reference('mlp');
    const coefficients = Float64Array.from(wanted.coefficients);
    const micro = await ready('mlp', { microBatch: 7 });
    await load(started, micro.directory, 'mlp', 'f32');
    const found = await step(started, wanted, coefficients);
    close([found.loss], [wanted.loss], SINGLE, 'loss');
    close(found.gradient, wanted.gradient, SINGLE, 'gradient');

    // Autocast on a CPU came of age with torch 2: before, a LayerNorm refuses it.
    if (micro.opened.label.startsWith('PyTorch 1.')) return;
    const half = await ready('mlp', { amp: 'bf16' });
    await load(started, half.directory, 'mlp', 'f32');
    const near = await step(started, wanted, coefficients);
    close(near.gradient, wanted.gradient, 0.1, 'gradient');
    assert.ok(Math.abs(near.loss - wanted.loss) > 1e-6, 'nothing was computed in bfloat16');
  });

  /** A copy of a run whose task was changed. */
  async function changed(t: TestContext, kind: Kind, change: (task: string) => string): Promise<string> {
    const directory = await copyRun(kind, t);
    const task = path.join(directory, 'task.py');
    await writeFile(task, change(await readFile(task, 'utf8')));
    return directory;
  }

  async function requireReference(directory: string, kind: Kind): Promise<void> {
    const sources = await sourcesIn(directory, kind);
    await open(started, directory, sources.at(-1)!);
    await load(started, directory, kind, 'f32');
    const wanted = reference(kind);
    const found = await step(started, wanted, Float64Array.from(wanted.coefficients));
    close([found.loss], [wanted.loss], SINGLE, 'loss');
    close(found.gradient, wanted.gradient, SINGLE, 'gradient');
    if (kind === 'norm') {
      close(
        (await evaluate(started, wanted.coefficients, 'recalibrate')).losses,
        wanted.losses,
        1e-5,
        'losses',
      );
    }
  }

  test('a model in bfloat16: mixed in float32, rounded once into the model', async (t) => {
    const directory = await changed(t, 'mlp', (task) =>
      task
        .replace('made.double() if KIND == "wide" else made', 'made.bfloat16()')
        .replace('xs = xs.double() if KIND == "wide" else xs', 'xs = xs.bfloat16()'),
    );
    const sources = await sourcesIn(directory, 'mlp');
    await open(started, directory, sources.at(-1)!);
    const wanted = reference('mlp');
    for (const memory of ['f32', 'files'] as const) {
      await load(started, directory, 'mlp', memory);
      const found = await step(started, wanted, Float64Array.from(wanted.coefficients));
      // Eight bits of mantissa through four layers.
      close([found.loss], [wanted.loss], 0.05, 'loss');
      close(found.gradient, wanted.gradient, 0.1, 'gradient');
    }
  });

  test('torch.compile: the compiled model is the one that is mixed', async (t) => {
    const { opened } = await ready('mlp');
    // torch.compile came with torch 2.
    if (opened.label.startsWith('PyTorch 1.')) return;
    const compiled = (task: string): string =>
      task.replace(
        'def model():',
        'def model():\n    return torch.compile(plain(), backend="eager")\n\n\ndef plain():',
      );
    await requireReference(await changed(t, 'norm', compiled), 'norm');
  });

  test('a Dataset in a DataLoader with workers and a collate function; batches in a list', async (t) => {
    const loader = `
class Examples(torch.utils.data.Dataset):
    def __init__(self, split):
        self.table = table(split)

    def __len__(self):
        return len(self.table[1])

    def __getitem__(self, at):
        return {"x": self.table[0][at], "y": self.table[1][at]}


def collate(examples):
    return torch.stack([e["x"] for e in examples]), torch.stack([e["y"] for e in examples])


def data(split):
    if split == "test":
        xs, ys = table(split)
        return zip(xs.split(10), ys.split(10))
    return torch.utils.data.DataLoader(Examples(split), batch_size=7, shuffle=True, num_workers=2)


def split_batch(batch):`;
    const directory = await changed(t, 'mlp', (task) =>
      task
        .replace('def data(split):\n    return table(split)\n', '')
        .replace('def split_batch(batch):', loader),
    );
    await requireReference(directory, 'mlp');
    const wanted = reference('mlp');
    close((await evaluate(started, wanted.coefficients, 'average')).losses, wanted.losses, SINGLE, 'losses');
    const { arrays } = await started.process.request(
      { kind: 'evaluate', split: 'train', point: 'checkpoint', index: 1, buffers: 'newest', random: 1 },
      { examples: ALL_TRAIN_ROWS },
    );
    // 192 examples in six batches of 32: enough for the two workers.
    assert.equal(floats(arrays, 'loss').length, 192);
  });

  test('models that bring their own loss: outputs with a loss, and training_step', async (t) => {
    const without = (task: string): string => task.slice(0, task.indexOf('def loss(model, batch):'));
    const outputs = await changed(
      t,
      'dict',
      (task) =>
        `${without(task)}
class Labelled(Mlp):
    def forward(self, xs, ys):
        logits = super().forward(xs)
        return {"loss": F.cross_entropy(logits, ys), "logits": logits}


def model():
    return Labelled()


def metrics(model, batch):
    return {"accuracy": (model(**batch)["logits"].argmax(-1) == batch["ys"]).float().mean()}
`,
    );
    await requireReference(outputs, 'dict');

    const module = await changed(
      t,
      'mlp',
      (task) =>
        `${without(task)}
class Module(Mlp):
    def log(self, name, value, **more):
        raise RuntimeError("there is no trainer")

    def training_step(self, batch, at):
        self.log("train_loss", 0.0)
        return {"loss": F.cross_entropy(self(batch[0]), batch[1])}

    def validation_step(self, batch, at):
        self.log("accuracy", (self(batch[0]).argmax(-1) == batch[1]).float().mean(), prog_bar=True)


def model():
    return Module()
`,
    );
    await requireReference(module, 'mlp');
    const wanted = reference('mlp');
    const { arrays } = await started.process.request(
      { kind: 'evaluate', split: 'test', point: 'mix', buffers: 'average', random: 1 },
      { coefficients: Float64Array.from(wanted.coefficients), examples: ALL_TEST_ROWS },
    );
    // One number per batch of 32.
    assert.deepEqual([...floats(arrays, 'weights')], [32, 32, 32]);
    const right = floats(arrays, 'accuracy').reduce((sum, share) => sum + 32 * share, 0);
    assert.equal(
      Math.round(right),
      wanted.accuracy.reduce((sum, one) => sum + one, 0),
    );
  });
});
