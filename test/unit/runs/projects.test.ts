/** Projects as users have them, their logs by the real writers: what belongs to one run is one run. */
import assert from 'node:assert/strict';
import { copyFile, cp, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Run } from '../../../src/core/runs/types.ts';
import { runNamed, safetensors, temporaryDirectory, watching } from './helpers.ts';

const FIXTURES = join(dirname(fileURLToPath(import.meta.url)), '../../fixtures/metrics');

/** Copies the event files of a fixture into `directory`. */
async function writeEvents(fixture: string, directory: string): Promise<string[]> {
  const source = join(FIXTURES, 'tensorboard', fixture);
  const names = (await readdir(source)).filter((name) => name.includes('tfevents'));
  await mkdir(directory, { recursive: true });
  for (const name of names) await copyFile(join(source, name), join(directory, name));
  return names.map((name) => join(directory, name));
}

async function writeCheckpoints(directory: string, names: readonly string[]): Promise<void> {
  for (const name of names) {
    const path = join(directory, name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, safetensors());
  }
}

const tagsOf = (run: Run): string[] => run.series.map(({ tag }) => tag).sort();

const metricsOf = (run: Run, tag: string): (number | undefined)[] =>
  run.checkpoints.map(({ metrics }) => metrics[tag]);

test('PyTorch: a SummaryWriter in the run, checkpoints below it, followed while it trains', async (t) => {
  const root = await temporaryDirectory(t);
  const run = join(root, 'runs', 'exp1');
  await writeCheckpoints(join(run, 'checkpoints'), ['step-9.safetensors', 'step-39.safetensors']);
  await writeCheckpoints(join(root, 'runs', 'exp2', 'checkpoints'), ['step-9.safetensors']);
  const watched = watching(t, [root], { polling: false });
  await watched.scanned();
  const [log] = await writeEvents('torch', run);
  const bytes = await readFile(log!);
  await writeFile(log!, bytes.subarray(0, 1000));
  const values = (one: Run): number => one.series.find(({ tag }) => tag === 'train/loss')?.values.length ?? 0;
  const early = runNamed(
    await watched.until('the first points', (snapshot) => {
      const found = runNamed(snapshot, 'runs/exp1');
      return found !== undefined && values(found) > 0 && values(found) < 40;
    }),
    'runs/exp1',
  )!;
  assert.equal(early.checkpoints.length, 2);
  await writeFile(log!, bytes.subarray(1000), { flag: 'a' });
  const whole = runNamed(
    await watched.until('all points', (snapshot) => values(runNamed(snapshot, 'runs/exp1')!) === 40),
    'runs/exp1',
  )!;
  // The formula of make.py, in float32.
  const logged = (step: number): number =>
    Math.fround(2 * Math.exp(-step / 20) + 0.1 * Math.sin(step) + 0.05);
  assert.deepEqual(metricsOf(whole, 'val/loss'), [logged(9), logged(39)]);
  assert.deepEqual(tagsOf(runNamed(watched.watcher.snapshot, 'runs/exp2')!), []);
});

test('PyTorch Lightning: version_0 with checkpoints, metrics.csv and events', async (t) => {
  const root = await temporaryDirectory(t);
  const version = join(root, 'lightning_logs', 'version_0');
  await writeCheckpoints(join(version, 'checkpoints'), [
    'epoch=0-step=8.safetensors',
    'epoch=1-step=16.safetensors',
  ]);
  await copyFile(join(FIXTURES, 'lightning.metrics.csv'), join(version, 'metrics.csv'));
  await writeEvents('tensorboardX', version);
  const snapshot = await watching(t, [root]).scanned();
  assert.deepEqual(
    snapshot.runs.map(({ name }) => name),
    ['lightning_logs/version_0'],
  );
  const [run] = snapshot.runs;
  assert.deepEqual(tagsOf(run!), ['epoch', 'train_loss', 'train_loss', 'val_late', 'val_loss']);
  assert.ok(metricsOf(run!, 'val_loss').every((value) => value !== undefined));
});

test('the Trainer of Hugging Face: checkpoint-N directories, its states, and runs/<date>_<host>', async (t) => {
  const root = await temporaryDirectory(t);
  const output = join(root, 'output');
  await writeCheckpoints(output, ['checkpoint-8/model.safetensors', 'checkpoint-16/model.safetensors']);
  await copyFile(
    join(FIXTURES, 'checkpoint-16', 'trainer_state.json'),
    join(output, 'checkpoint-16', 'trainer_state.json'),
  );
  await writeEvents('torch', join(output, 'runs', 'Nov24_01-16-05_host'));
  const snapshot = await watching(t, [root]).scanned();
  assert.deepEqual(
    snapshot.runs.map(({ name }) => name),
    ['output'],
  );
  const [run] = snapshot.runs;
  assert.equal(metricsOf(run!, 'eval_loss')[0], 0.38895830512046814);
  assert.ok(tagsOf(run!).includes('train/loss'));
});

test("a Trainer's output as the watched folder itself", async (t) => {
  const output = await temporaryDirectory(t);
  await writeCheckpoints(output, ['checkpoint-8/model.safetensors']);
  await writeEvents('torch', join(output, 'runs', 'Nov24_01-16-05_host'));
  const { runs } = await watching(t, [output]).scanned();
  assert.equal(runs.length, 1);
  assert.equal(runs[0]!.directory, output);
});

test("Keras' TensorBoard callback: train and validation are two sides of one run, joined by epoch", async (t) => {
  const root = await temporaryDirectory(t);
  const run = join(root, 'digits');
  await writeCheckpoints(run, [
    'epoch-01.safetensors',
    'epoch-02.safetensors',
    'epoch-03.safetensors',
    'epoch-04.safetensors',
  ]);
  await writeEvents('keras/train', join(run, 'logs', 'train'));
  await writeEvents('keras/validation', join(run, 'logs', 'validation'));
  const { runs } = await watching(t, [root]).scanned();
  assert.deepEqual(
    runs.map(({ name }) => name),
    ['digits'],
  );
  assert.deepEqual(tagsOf(runs[0]!), [
    'train/epoch_accuracy',
    'train/epoch_learning_rate',
    'train/epoch_loss',
    'validation/epoch_accuracy',
    'validation/epoch_loss',
    'validation/evaluation_accuracy_vs_iterations',
    'validation/evaluation_loss_vs_iterations',
  ]);
  // Files count epochs from 1, the log from 0.
  const logged = runs[0]!.series.find(({ tag }) => tag === 'validation/epoch_loss')!.values;
  assert.deepEqual(metricsOf(runs[0]!, 'validation/epoch_loss'), logged);
});

test('a run that is called train keeps what is its own', async (t) => {
  const root = await temporaryDirectory(t);
  for (const name of ['train', 'train2']) {
    await writeCheckpoints(join(root, 'detect', name, 'weights'), ['last.safetensors']);
    await writeEvents('tensorboardX', join(root, 'detect', name));
  }
  const { runs } = await watching(t, [root]).scanned();
  assert.deepEqual(
    runs.map((run) => [run.name, tagsOf(run)]),
    [
      ['detect/train', ['epoch', 'train_loss']],
      ['detect/train2', ['epoch', 'train_loss']],
    ],
  );
});

test('logs and checkpoints in trees of their own, under the same names', async (t) => {
  const root = await temporaryDirectory(t);
  for (const name of ['a', 'b']) {
    await writeCheckpoints(join(root, 'checkpoints', name), ['step-9.safetensors']);
    await writeEvents('torch', join(root, 'runs', name));
  }
  const { runs } = await watching(t, [root]).scanned();
  assert.deepEqual(
    runs.map((run) => [run.directory, metricsOf(run, 'val/loss')]),
    [
      [join(root, 'checkpoints', 'a'), [1.3664681911468506]],
      [join(root, 'checkpoints', 'b'), [1.3664681911468506]],
    ],
  );
});

test('several dated logs beside one set of checkpoints are left as runs of their own; one log is theirs', async (t) => {
  const root = await temporaryDirectory(t);
  for (const project of ['one', 'many']) {
    await writeCheckpoints(join(root, project, 'checkpoints'), ['step-9.safetensors']);
    await writeEvents('torch', join(root, project, 'runs', 'Nov24_01-16-05_host'));
  }
  await writeEvents('torch', join(root, 'many', 'runs', 'Nov25_01-16-05_host'));
  const { runs } = await watching(t, [root]).scanned();
  assert.deepEqual(
    runs.map((run) => [run.name, metricsOf(run, 'val/loss').length, run.series.length > 0]),
    [
      ['many', 1, false],
      ['many/runs/Nov24_01-16-05_host', 0, true],
      ['many/runs/Nov25_01-16-05_host', 0, true],
      ['one', 1, true],
    ],
  );
});

test('DVCLive and MLflow beside checkpoints', async (t) => {
  const root = await temporaryDirectory(t);
  await writeCheckpoints(join(root, 'a', 'models'), ['step-9.safetensors', 'step-19.safetensors']);
  const dvclive = join(root, 'a', 'dvclive', 'plots', 'metrics', 'val');
  await mkdir(dvclive, { recursive: true });
  await writeFile(join(dvclive, 'loss.tsv'), 'step\tloss\n9\t0.5\n19\t0.25\n');
  const run = join(root, 'mlruns', '1', '0123456789abcdef0123456789abcdef');
  await writeCheckpoints(join(run, 'artifacts', 'checkpoints'), ['step-9.safetensors']);
  await mkdir(join(run, 'metrics'));
  await writeFile(join(run, 'metrics', 'acc'), '1700000000000 0.75 9\n');
  const { runs } = await watching(t, [root]).scanned();
  assert.deepEqual(
    runs.map(({ directory, checkpoints }) => [directory, checkpoints.map(({ metrics }) => metrics)]),
    [
      [join(root, 'a'), [{ 'val/loss': 0.5 }, { 'val/loss': 0.25 }]],
      [run, [{ acc: 0.75 }]],
    ],
  );
});

test('a resumed training is one curve, what is void left out, and unchanged runs keep their identity', async (t) => {
  const root = await temporaryDirectory(t);
  await writeCheckpoints(join(root, 'a'), ['step-19.safetensors', 'step-39.safetensors']);
  await writeEvents('resumed', join(root, 'a'));
  await writeEvents('torch', join(root, 'b'));
  const watched = watching(t, [root], { polling: false });
  const first = runNamed(await watched.scanned(), 'a')!;
  assert.deepEqual(
    first.series.map(({ tag, steps }) => [tag, steps]),
    [['train/loss', [...Array(40).keys()]]],
  );
  await writeEvents('tensorboardX', join(root, 'b'));
  const later = await watched.until('the second log of b', (snapshot) =>
    tagsOf(runNamed(snapshot, 'b')!).includes('train_loss'),
  );
  assert.equal(runNamed(later, 'a'), first);
});

test('folders that the user leaves out are neither listed nor followed', async (t) => {
  const root = await temporaryDirectory(t);
  await writeCheckpoints(join(root, 'old', 'deep'), ['a.safetensors']);
  await writeCheckpoints(join(root, 'new'), ['a.safetensors']);
  const asked = new Set<string>();
  const watched = watching(t, [root], {
    polling: false,
    ignore: (directory) => {
      asked.add(directory);
      return directory === join(root, 'old');
    },
  });
  await watched.scanned();
  await writeCheckpoints(join(root, 'old', 'deep'), ['b.safetensors']);
  await writeCheckpoints(join(root, 'new'), ['b.safetensors']);
  const { runs } = await watched.until('the new checkpoint', (snapshot) =>
    runNamed(snapshot, 'new')!.checkpoints.some(({ name }) => name === 'b.safetensors'),
  );
  assert.deepEqual(
    runs.map(({ name }) => name),
    ['new'],
  );
  assert.ok(asked.has(join(root, 'old')));
  // Nobody looked inside.
  assert.ok(![...asked].some((path) => path.startsWith(join(root, 'old', 'deep'))));
});

test('checkpoints that torch.save wrote with their loss are a curve where no log is', async (t) => {
  const root = await temporaryDirectory(t);
  const names = ['epoch_1.pt', 'epoch_2.pt', 'epoch_3.pt', 'last.pt'];
  for (const name of names) await copyFile(join(FIXTURES, 'checkpoints', name), join(root, name));
  const watched = watching(t, [root]);
  const [run] = (await watched.scanned()).runs;
  assert.deepEqual(
    run!.series.map(({ tag, steps, epochs, values }) => [tag, steps, epochs, values]),
    [
      ['loss', [1, 2, 3], [1, 2, 3], [0.5, 0.25, NaN]],
      ['val_accuracy', [1, 2, 3], [1, 2, 3], [0.625, 0.75, 0.875]],
    ],
  );
  assert.equal(run!.series[0]!.source, root);
  // Another file changes nothing about it.
  await writeFile(join(root, 'unplaced.safetensors'), safetensors());
  const later = await watched.until('another checkpoint', ({ runs }) => runs[0]!.checkpoints.length === 5);
  assert.equal(later.runs[0]!.series, run!.series);
  await writeFile(join(root, 'metrics.csv'), 'epoch,train/loss\n1,0.6\n');
  const logged = await watched.until('the log', ({ runs }) => runs[0]!.series[0]!.tag === 'train/loss');
  assert.deepEqual(tagsOf(logged.runs[0]!), ['train/loss']);
});

test('a loss that was saved as a tensor is a number like any other', async (t) => {
  const root = await temporaryDirectory(t);
  await cp(join(FIXTURES, 'tensor-losses'), root, { recursive: true });
  const { runs } = await watching(t, [root]).scanned();
  assert.deepEqual(
    runs[0]!.series.map(({ tag, epochs, values }) => [tag, epochs, values]),
    [
      ['loss', [1, 2], [0.5, 0.25]],
      ['val_loss', [1, 2], [0.25, 0.125]],
    ],
  );
});

test('ultralytics: the log in its checkpoints, each at its epoch in it', async (t) => {
  const root = await temporaryDirectory(t);
  const weights = join(root, 'runs/detect/train/weights');
  await cp(join(FIXTURES, 'ultralytics/weights'), weights, { recursive: true });
  const watched = watching(t, [root]);
  const [run] = (await watched.scanned()).runs;
  const places = ({ checkpoints }: Run) =>
    Object.fromEntries(
      checkpoints.map(({ name, epoch, metrics }) => [name, [epoch, metrics['val/box_loss']]]),
    );
  const series = Object.fromEntries(run!.series.map(({ tag, epochs, values }) => [tag, [epochs, values]]));
  assert.deepEqual(series['train/box_loss'], [
    [1, 2, 3],
    [1.87654, 1.54321, 1.65432],
  ]);
  // Of the whole log, which has no fitness: that stands only in the checkpoints.
  assert.deepEqual(series['fitness']![0], [1, 2, 3]);
  assert.equal(new Set(run!.series.map(({ tag }) => tag)).size, run!.series.length);
  const wanted = {
    'epoch0.pt': [1, 1.64198],
    'epoch1.pt': [2, 1.30864],
    'epoch2.pt': [3, 1.41975],
    // Their numbers were taken out; their metrics say which epoch they are.
    'best.pt': [2, 1.30864],
    'last.pt': [3, 1.41975],
  };
  assert.deepEqual(places(run!), wanted);
  await writeFile(
    join(weights, '../results.csv'),
    'epoch,time,train/box_loss,val/box_loss\n1,10.5,1.87654,1.64198\n2,21,1.54321,1.30864\n3,31.5,1.65432,1.41975\n',
  );
  const logged = await watched.until('the log', ({ runs }) => runs[0]!.series.length === 2);
  assert.deepEqual(places(logged.runs[0]!), wanted);
});

test("metrics in a checkpoint's own metadata; what a log says comes first", async (t) => {
  const root = await temporaryDirectory(t);
  const metadata = { epoch: '1', val_loss: '0.5', 'val/accuracy': '0.875', lr: '0.1', loss_function: 'mse' };
  await writeFile(join(root, 'a.safetensors'), safetensors(metadata));
  await writeFile(join(root, 'b.safetensors'), safetensors({ epoch: '2', val_loss: 'nan' }));
  await writeFile(join(root, 'metrics.csv'), 'epoch,val_loss\n1,0.51234\n');
  const { runs } = await watching(t, [root]).scanned();
  assert.deepEqual(
    runs[0]!.checkpoints.map(({ metrics }) => metrics),
    [{ val_loss: 0.51234, 'val/accuracy': 0.875 }, { val_loss: NaN }],
  );
  assert.ok(runs[0]!.checkpoints.every((checkpoint) => !('ownMetrics' in checkpoint)));
});

test('Trainer: an average is a copy of a checkpoint with its trainer_state.json, and no run of its own', async (t) => {
  const root = await temporaryDirectory(t);
  const outputs = join(root, 'outputs');
  await cp(join(FIXTURES, '../journeys/huggingface/outputs'), outputs, { recursive: true });
  await cp(join(outputs, 'checkpoint-32'), join(outputs, 'averages/uniform-1'), { recursive: true });
  const watched = watching(t, [root], { polling: false });
  await watched.scanned();
  const { runs } = await watched.until('the average', ({ runs: all }) =>
    all.some(({ averages }) => averages.length === 1),
  );
  assert.deepEqual(
    runs.map(({ directory, checkpoints, averages }) => [directory, checkpoints.length, averages.length]),
    [[outputs, 4, 1]],
  );
});
