import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import {
  appendFile,
  copyFile,
  mkdir,
  rename,
  rm,
  stat,
  symlink,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { checkpointNamed, describe, runNamed, safetensors, temporaryDirectory, watching } from './helpers.ts';

/** With and without being told of changes by the system. */
const BACKENDS = [
  { name: 'native', options: { polling: false } },
  { name: 'polling', options: { polling: true, pollingInterval: 100 } },
] as const;

for (const { name, options } of BACKENDS) {
  test(`${name}: a checkpoint that is written in pieces is incomplete, then complete`, async (t) => {
    const root = await temporaryDirectory(t);
    const watched = watching(t, [root], options);
    await watched.scanned();
    const bytes = safetensors({ epoch: '7' }, 1000);
    const path = join(root, 'a', 'last.safetensors');
    await mkdir(join(root, 'a'));
    await writeFile(path, bytes.subarray(0, 2000));
    const growing = await watched.until(
      'an incomplete checkpoint',
      (snapshot) => checkpointNamed(snapshot, 'last.safetensors')?.state === 'incomplete',
    );
    const entry = checkpointNamed(growing, 'last.safetensors')!;
    assert.match(entry.reason!, /2000 of \d+ bytes/);
    assert.deepEqual([entry.bytes, entry.epoch, entry.path], [2000, undefined, path]);
    await appendFile(path, bytes.subarray(2000));
    const done = checkpointNamed(
      await watched.until(
        'the whole checkpoint',
        (snapshot) => checkpointNamed(snapshot, 'last.safetensors')?.state === 'complete',
      ),
      'last.safetensors',
    )!;
    assert.deepEqual([done.bytes, done.epoch, done.reason], [bytes.length, 7, undefined]);
  });

  test(`${name}: a log is followed while it grows, and its metrics join the checkpoints`, async (t) => {
    const root = await temporaryDirectory(t);
    const log = join(root, 'a', 'logs', 'metrics.csv');
    await mkdir(join(root, 'a', 'checkpoints'), { recursive: true });
    await mkdir(join(root, 'a', 'logs'));
    await writeFile(join(root, 'a', 'checkpoints', 'epoch-001.safetensors'), safetensors());
    await writeFile(join(root, 'a', 'checkpoints', 'epoch-002.safetensors'), safetensors());
    await writeFile(log, 'epoch,val_accuracy\n1,0.5\n');
    const watched = watching(t, [root], options);
    const first = await watched.scanned();
    assert.deepEqual(checkpointNamed(first, 'epoch-001.safetensors')!.metrics, { val_accuracy: 0.5 });
    assert.deepEqual(checkpointNamed(first, 'epoch-002.safetensors')!.metrics, {});
    await appendFile(log, '2,0.7');
    await appendFile(log, '5\n');
    const second = await watched.until('two points', ({ runs }) => runs[0]!.series[0]!.values.length === 2);
    assert.deepEqual(checkpointNamed(second, 'epoch-002.safetensors')!.metrics, { val_accuracy: 0.75 });
    assert.equal(
      checkpointNamed(second, 'epoch-001.safetensors'),
      checkpointNamed(first, 'epoch-001.safetensors'),
    );
    await truncate(log, 0);
    await writeFile(log, 'epoch,val_accuracy\n1,0.1\n');
    const third = await watched.until(
      'the new training',
      ({ runs }) => runs[0]!.series[0]?.values[0] === 0.1,
    );
    assert.equal(third.runs[0]!.series[0]!.values.length, 1);
  });

  test(`${name}: what is deleted disappears`, async (t) => {
    const root = await temporaryDirectory(t);
    for (const run of ['a', 'b']) {
      await mkdir(join(root, run));
      await writeFile(join(root, run, 'metrics.csv'), 'epoch,loss\n1,0.5\n');
      for (const epoch of [1, 2])
        await writeFile(join(root, run, `epoch-${epoch}.safetensors`), safetensors());
    }
    const watched = watching(t, [root], options);
    const first = await watched.scanned();
    assert.deepEqual(
      first.runs.map(({ checkpoints }) => checkpoints.length),
      [2, 2],
    );
    await rm(join(root, 'a', 'epoch-1.safetensors'));
    const second = await watched.until(
      'one checkpoint less',
      ({ runs }) => runs[0]!.checkpoints.length === 1,
    );
    assert.equal(runNamed(second, 'b'), runNamed(first, 'b'));
    await rm(join(root, 'a', 'metrics.csv'));
    await watched.until('no log', ({ runs }) => runs[0]!.series.length === 0);
    await rm(join(root, 'a'), { recursive: true });
    const last = await watched.until('one run less', ({ runs }) => runs.length === 1);
    assert.equal(runNamed(last, 'b'), runNamed(first, 'b'));
  });

  test(`${name}: written under another name and renamed`, async (t) => {
    const root = await temporaryDirectory(t);
    const path = join(root, 'a', 'last.safetensors');
    await mkdir(join(root, 'a'));
    await writeFile(path, safetensors({ epoch: '1' }));
    const watched = watching(t, [root], options);
    await watched.scanned();
    // As long as the one before, and as old: only the inode tells.
    await writeFile(`${path}.tmp`, safetensors({ epoch: '2' }));
    const { atime, mtime } = await stat(path);
    await utimes(`${path}.tmp`, atime, mtime);
    await rename(`${path}.tmp`, path);
    await watched.until(
      'the new one',
      (snapshot) => checkpointNamed(snapshot, 'last.safetensors')?.epoch === 2,
    );
    for (const { runs } of watched.snapshots.slice(1)) assert.deepEqual(runs[0]!.checkpoints.length, 1);
    // A whole run, prepared elsewhere.
    const prepared = await temporaryDirectory(t);
    await mkdir(join(prepared, 'b', 'checkpoints'), { recursive: true });
    await writeFile(join(prepared, 'b', 'checkpoints', 'epoch-1.safetensors'), safetensors());
    await rename(join(prepared, 'b'), join(root, 'b'));
    await watched.until('the run', (snapshot) => runNamed(snapshot, 'b')?.checkpoints.length === 1);
  });
}

test('a folder that does not exist yet', async (t) => {
  const root = join(await temporaryDirectory(t), 'runs');
  const watched = watching(t, [root]);
  assert.deepEqual((await watched.scanned()).runs, []);
  await mkdir(root);
  await mkdir(join(root, 'a'));
  await writeFile(join(root, 'a', 'epoch-1.safetensors'), safetensors());
  await watched.until('the run', (snapshot) => runNamed(snapshot, 'a') !== undefined);
  await rm(root, { recursive: true });
  await watched.until('nothing', ({ runs }) => runs.length === 0);
  await mkdir(join(root, 'b'), { recursive: true });
  await writeFile(join(root, 'b', 'epoch-1.safetensors'), safetensors());
  await watched.until('the next run', (snapshot) => runNamed(snapshot, 'b') !== undefined);
});

test('a directory checkpoint is complete when its last shard is', async (t) => {
  const root = await temporaryDirectory(t);
  const directory = join(root, 'a', 'epoch-001');
  await mkdir(directory, { recursive: true });
  const manifest = {
    format: 'layers-model',
    modelTopology: { class_name: 'Sequential', config: { layers: [] } },
    weightsManifest: [
      {
        paths: ['group1-shard1of1.bin'],
        weights: [{ name: 'dense/kernel', shape: [2, 3], dtype: 'float32' }],
      },
    ],
  };
  await writeFile(join(directory, 'model.json'), JSON.stringify(manifest));
  const watched = watching(t, [root]);
  await watched.until(
    'without its shard',
    (snapshot) => checkpointNamed(snapshot, 'epoch-001')?.state === 'incomplete',
  );
  await writeFile(join(directory, 'group1-shard1of1.bin'), Buffer.alloc(24));
  const done = checkpointNamed(
    await watched.until(
      'with it',
      (snapshot) => checkpointNamed(snapshot, 'epoch-001')?.state === 'complete',
    ),
    'epoch-001',
  )!;
  assert.deepEqual([done.format, done.epoch, done.path], ['tfjs-layers', 1, directory]);
  // The shard is no name of a checkpoint, but it belongs to one.
  await writeFile(join(directory, 'group1-shard1of1.bin'), Buffer.alloc(20));
  await watched.until('cut', (snapshot) => checkpointNamed(snapshot, 'epoch-001')?.state === 'incomplete');
  await rm(directory, { recursive: true });
  await watched.until('gone', ({ runs }) => runs.length === 0);
});

test('Hugging Face: the newest trainer state is the log of the run', async (t) => {
  const root = await temporaryDirectory(t);
  const save = async (step: number): Promise<void> => {
    const directory = join(root, 'run', `checkpoint-${step}`);
    await mkdir(directory, { recursive: true });
    await writeFile(join(directory, 'model.safetensors'), safetensors());
    const history = Array.from({ length: step / 10 }, (_, i) => ({ step: 10 * (i + 1), loss: 1 / (i + 1) }));
    await writeFile(join(directory, 'trainer_state.json'), JSON.stringify({ log_history: history }));
  };
  await save(20);
  await save(30);
  const watched = watching(t, [root]);
  const first = await watched.scanned();
  assert.deepEqual(
    first.runs.map(({ name, series }) => [name, series.map(({ values }) => values.length)]),
    [['run', [3]]],
  );
  await save(100);
  const second = await watched.until('step 100', ({ runs }) => runs[0]!.series[0]?.values.length === 10);
  assert.deepEqual(
    second.runs[0]!.checkpoints.map(({ step, metrics }) => [step, metrics['loss']]),
    [
      [20, 1 / 2],
      [30, 1 / 3],
      [100, 1 / 10],
    ],
  );
  await rm(join(root, 'run', 'checkpoint-100'), { recursive: true });
  await watched.until('step 30 again', ({ runs }) => runs[0]!.series[0]?.values.length === 3);
});

test('an average is known by its report', async (t) => {
  const root = await temporaryDirectory(t);
  const averages = join(root, 'a', 'averages');
  await mkdir(averages, { recursive: true });
  await writeFile(join(root, 'a', 'epoch-001.safetensors'), safetensors());
  const watched = watching(t, [root]);
  await watched.scanned();
  const output = join(averages, 'twa-1.safetensors');
  await writeFile(output, safetensors());
  const interval = { low: 0.9, high: 1 };
  const row = (id: string, metric: number): object => ({
    id,
    label: id,
    metric,
    metricInterval: interval,
    loss: 0.1,
    lossInterval: interval,
    stopMetric: metric,
    stopLoss: 0.1,
  });
  const report = {
    version: 1,
    output,
    method: 'twa',
    coefficients: [1],
    splits: { fit: 6, stop: 4, report: 10, origin: 'made up' },
    metric: { name: 'accuracy', goal: 'maximize' },
    table: [row('uniform', 0.96), row('twa', 0.97)],
    recommendation: { use: 'twa', sentence: 'Use the average.' },
    lossCurve: [],
    notes: [],
    epoch: 1,
    provenance: {
      tool: 'twa',
      version: '0',
      createdAt: '2026-01-01T00:00:00Z',
      coefficients: [1],
      method: 'twa',
      seed: 1,
      buffers: 'none',
      sources: [{ path: join(root, 'a', 'epoch-001.safetensors'), size: 1, sha256: '00' }],
      outputSha256: '00',
    },
    timings: {},
  };
  const reportPath = join(averages, 'twa-1.twa-report.json');
  await writeFile(reportPath, JSON.stringify(report));
  const snapshot = await watched.until(
    'the average',
    ({ runs }) => runs[0]!.averages[0]?.average !== undefined,
  );
  assert.deepEqual(snapshot.runs[0]!.averages[0]!.average, {
    reportPath,
    method: 'twa',
    sources: [join(root, 'a', 'epoch-001.safetensors')],
    coefficients: [1],
    metric: { name: 'accuracy', goal: 'maximize', value: 0.97 },
    recommendation: 'Use the average.',
    epoch: 1,
  });
  assert.deepEqual(
    snapshot.runs[0]!.checkpoints.map(({ name }) => name),
    ['epoch-001.safetensors'],
  );

  await writeFile(reportPath, '{"version": 2}');
  const broken = await watched.until('a warning', ({ warnings }) => warnings.length === 1);
  assert.match(broken.warnings[0]!, /twa-1\.twa-report\.json/);
  assert.equal(broken.runs[0]!.averages[0]!.average, undefined);
  await rm(reportPath);
  await watched.until('no warning', ({ warnings }) => warnings.length === 0);
});

test('refresh finds what nobody reported, and does not read again what did not change', async (t) => {
  const root = await temporaryDirectory(t);
  await mkdir(join(root, 'a'));
  const old = join(root, 'a', 'epoch-1.safetensors');
  await writeFile(old, safetensors({ note: 'one' }));
  const past = new Date(Date.now() - 3_600_000);
  await utimes(old, past, past);
  // Asked so seldom that nothing is reported while the test runs.
  const watched = watching(t, [root], { polling: true, pollingInterval: 3_600_000 });
  const first = await watched.scanned();
  await watched.watcher.refresh();
  assert.equal(watched.watcher.snapshot, first);

  // Same inode, size and time but damaged: whoever reads it again sees it.
  await writeFile(old, safetensors({ note: 'one' }).fill(0, 0, 8));
  await utimes(old, past, past);
  await writeFile(join(root, 'a', 'epoch-2.safetensors'), safetensors());
  await watched.watcher.refresh();
  const second = watched.watcher.snapshot;
  assert.deepEqual(
    second.runs[0]!.checkpoints.map(({ name, state }) => [name, state]),
    [
      ['epoch-1.safetensors', 'complete'],
      ['epoch-2.safetensors', 'complete'],
    ],
  );
  assert.equal(second.runs[0]!.checkpoints[0], first.runs[0]!.checkpoints[0]);
  await utimes(old, new Date(), new Date());
  await watched.watcher.refresh();
  assert.notEqual(watched.watcher.snapshot.runs[0]!.checkpoints[0]!.state, 'complete');
});

test('an incomplete checkpoint is looked at again although nothing is reported', async (t) => {
  const root = await temporaryDirectory(t);
  const path = join(root, 'epoch-1.safetensors');
  const bytes = safetensors();
  await writeFile(path, bytes.subarray(0, 50));
  const watched = watching(t, [root], { polling: true, pollingInterval: 3_600_000 });
  await watched.until(
    'incomplete',
    (snapshot) => checkpointNamed(snapshot, 'epoch-1.safetensors')?.state === 'incomplete',
  );
  await appendFile(path, bytes.subarray(50));
  await watched.until(
    'complete',
    (snapshot) => checkpointNamed(snapshot, 'epoch-1.safetensors')?.state === 'complete',
  );
});

test('links to what is watched show nothing twice; several folders, one inside another', async (t) => {
  const root = await temporaryDirectory(t);
  const other = await temporaryDirectory(t);
  await mkdir(join(root, 'x', 'a'), { recursive: true });
  await mkdir(join(other, 'a'));
  await writeFile(join(root, 'x', 'a', 'epoch-1.safetensors'), safetensors());
  await writeFile(join(other, 'a', 'epoch-1.safetensors'), safetensors());
  await symlink(join(root, 'x', 'a'), join(root, 'x', 'latest'));
  await symlink('epoch-1.safetensors', join(root, 'x', 'a', 'best.safetensors'));
  const watched = watching(t, [root, join(root, 'x'), other]);
  const first = await watched.scanned();
  const all = first.runs.flatMap(({ checkpoints }) => checkpoints.map(({ path }) => path));
  assert.deepEqual(
    all.sort(),
    [join(root, 'x', 'a', 'epoch-1.safetensors'), join(other, 'a', 'epoch-1.safetensors')].sort(),
  );
  assert.equal(new Set(first.runs.map(({ name }) => name)).size, 2);
  // Reported by the name through the link, too.
  await writeFile(join(root, 'x', 'latest', 'epoch-2.safetensors'), safetensors());
  const second = await watched.until('epoch 2', ({ runs }) =>
    runs.some(({ checkpoints }) => checkpoints.length === 2),
  );
  assert.deepEqual(second.runs.map(({ checkpoints }) => checkpoints.length).sort(), [1, 2]);
});

test('a damaged log does not stop the others, and says so', async (t) => {
  const root = await temporaryDirectory(t);
  await mkdir(join(root, 'a'));
  await writeFile(join(root, 'a', 'metrics.jsonl'), 'nonsense\n{"epoch": 1, "loss": 0.5}\n');
  await writeFile(join(root, 'a', 'results.csv'), 'epoch,acc\n1,0.9\n');
  const watched = watching(t, [root]);
  const first = await watched.scanned();
  assert.deepEqual(
    first.runs[0]!.series.map(({ tag }) => tag),
    ['loss', 'acc'],
  );
  assert.equal(first.warnings.length, 1);
  assert.match(first.warnings[0]!, /metrics\.jsonl, line 1/);
  await rm(join(root, 'a', 'metrics.jsonl'));
  await watched.until('no warning', ({ warnings }) => warnings.length === 0);
});

test('every snapshot is consistent and stays as it was announced', async (t) => {
  const root = await temporaryDirectory(t);
  await mkdir(join(root, 'a'));
  await mkdir(join(root, 'still'));
  await writeFile(join(root, 'still', 'epoch-1.safetensors'), safetensors());
  const log = join(root, 'a', 'metrics.csv');
  await writeFile(log, 'epoch,loss,acc\n');
  const watched = watching(t, [root]);
  const still = runNamed(await watched.scanned(), 'still');
  const texts: string[] = [describe(watched.watcher.snapshot)];
  watched.watcher.onChange((snapshot) => texts.push(describe(snapshot)));
  const epochs = 40;
  for (let epoch = 1; epoch <= epochs; epoch++) {
    const bytes = safetensors();
    const path = join(root, 'a', `epoch-${epoch}.safetensors`);
    await writeFile(path, bytes.subarray(0, 30));
    await appendFile(path, bytes.subarray(30));
    await appendFile(log, `${epoch},${1 / epoch},`);
    await appendFile(log, `${epoch / epochs}\n`);
    if (epoch % 4 === 0) await rm(path);
  }
  await watched.until('everything', (snapshot) => {
    const run = runNamed(snapshot, 'a');
    return (
      run?.series[0]?.values.length === epochs &&
      run.checkpoints.length === epochs - epochs / 4 &&
      run.checkpoints.every(({ state }) => state === 'complete')
    );
  });
  const snapshots = watched.snapshots.filter(({ scanning }) => !scanning);
  assert.ok(snapshots.length > 1);
  for (const [i, snapshot] of snapshots.entries()) {
    assert.equal(describe(snapshot), texts[i], 'a snapshot changed after it was announced');
    assert.equal(runNamed(snapshot, 'still'), still);
    const run = runNamed(snapshot, 'a');
    if (run === undefined) continue;
    assert.equal(new Set(run.checkpoints.map(({ path }) => path)).size, run.checkpoints.length);
    for (const { tag, steps, values, epochs: xs, wallTimes } of run.series) {
      assert.deepEqual(
        [values.length, xs.length, wallTimes.length],
        [steps.length, steps.length, steps.length],
      );
      for (const [at, step] of steps.entries()) {
        assert.equal(values[at], tag === 'loss' ? 1 / step : step / epochs);
      }
    }
    // Rows come whole, so both series are as long.
    assert.equal(run.series[0]?.steps.length, run.series[1]?.steps.length);
    for (const { epoch, metrics } of run.checkpoints) {
      if ('loss' in metrics) assert.deepEqual(metrics, { loss: 1 / epoch!, acc: epoch! / epochs });
    }
  }
});

test('2000 checkpoints among 20 000 other files', async (t) => {
  const root = await temporaryDirectory(t);
  await mkdir(join(root, 'a'));
  await mkdir(join(root, 'images'));
  const bytes = safetensors();
  for (let i = 0; i < 2000; i++) writeFileSync(join(root, 'a', `epoch-${i}.safetensors`), bytes);
  for (let i = 0; i < 20_000; i++) writeFileSync(join(root, 'images', `${i}.png`), '');
  const started = performance.now();
  const watched = watching(t, [root]);
  const first = await watched.scanned();
  const scan = performance.now() - started;
  assert.equal(first.runs[0]!.checkpoints.length, 2000);
  const before = performance.now();
  await writeFile(join(root, 'a', 'epoch-2000.safetensors'), bytes);
  const second = await watched.until('one more', ({ runs }) => runs[0]!.checkpoints.length === 2001);
  const change = performance.now() - before;
  t.diagnostic(`first scan ${scan.toFixed(0)} ms, one more checkpoint ${change.toFixed(0)} ms`);
  // An order of magnitude above what an idle machine needs (see the diagnostic): this fails when something is quadratic.
  assert.ok(scan < 15_000, `${scan} ms`);
  assert.ok(change < 15_000, `${change} ms`);
  const kept = second.runs[0]!.checkpoints.filter((entry) => first.runs[0]!.checkpoints.includes(entry));
  assert.equal(kept.length, 2000);
});

/** A user of one's own, for a limit of one's own: needs Linux and user namespaces. */
const LIMITED = ['-Ur', 'sh', '-c', 'echo 3 > /proc/sys/user/max_inotify_watches'] as const;
const canLimit = spawnSync('unshare', LIMITED).status === 0;

test('where the system allows no more watches, it asks', { skip: !canLimit }, async (t) => {
  const root = await temporaryDirectory(t);
  for (let i = 0; i < 6; i++) await mkdir(join(root, `run-${i}`));
  const script = `
    import { watchRuns } from ${JSON.stringify(import.meta.resolve('../../../src/core/runs/watch.ts'))};
    import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
    const watcher = watchRuns([${JSON.stringify(root)}], { pollingInterval: 100 });
    watcher.onChange(({ runs, warnings }) => {
      if (warnings.length > 0) writeFileSync(${JSON.stringify(join(root, 'run-5', 'metrics.csv'))}, 'epoch,loss\\n1,1\\n');
      if (runs.length === 0) return;
      console.log(JSON.stringify({ names: runs.map(({ name }) => name), warnings }));
      void watcher.close();
    });`;
  const child = spawnSync(
    'unshare',
    [
      ...LIMITED.slice(0, 3),
      `${LIMITED[3]} && exec "$0" --input-type=module-typescript -e "$1"`,
      process.execPath,
      script,
    ],
    { encoding: 'utf8', timeout: 30_000 },
  );
  assert.equal(child.status, 0, child.stderr);
  const { names, warnings } = JSON.parse(child.stdout) as { names: string[]; warnings: string[] };
  assert.deepEqual(names, ['run-5']);
  assert.match(warnings[0]!, /allows no more file watches, so .* is asked for changes every 0\.1 s/);
});

test('close leaves nothing open and says nothing more', async (t) => {
  const root = await temporaryDirectory(t);
  await writeFile(join(root, 'epoch-1.safetensors'), safetensors().subarray(0, 20));
  const before = process.getActiveResourcesInfo().filter((kind) => kind !== 'Timeout').length;
  const watched = watching(t, [root]);
  // In the middle of its first scan, and again when it is idle.
  const early = watching(t, [root]);
  await early.watcher.close();
  await early.watcher.close();
  await watched.scanned();
  await watched.watcher.close();
  const seen = watched.snapshots.length;
  await writeFile(join(root, 'epoch-2.safetensors'), safetensors());
  await watched.watcher.refresh();
  assert.equal(watched.snapshots.length, seen);
  assert.deepEqual(early.snapshots, [{ runs: [], scanning: true, warnings: [] }]);
  assert.equal(process.getActiveResourcesInfo().filter((kind) => kind !== 'Timeout').length, before);
});

test('a listener can stop, and one that throws stops nobody else', async (t) => {
  const root = await temporaryDirectory(t);
  const watched = watching(t, [root]);
  await watched.scanned();
  let calls = 0;
  const stop = watched.watcher.onChange(() => {
    calls += 1;
    throw new Error('a defect of the listener');
  });
  await writeFile(join(root, 'epoch-1.safetensors'), safetensors());
  await watched.until(
    'the first',
    (snapshot) => checkpointNamed(snapshot, 'epoch-1.safetensors') !== undefined,
  );
  stop();
  const before = calls;
  await copyFile(join(root, 'epoch-1.safetensors'), join(root, 'epoch-2.safetensors'));
  await watched.until(
    'the second',
    (snapshot) => checkpointNamed(snapshot, 'epoch-2.safetensors') !== undefined,
  );
  assert.equal(calls, before);
});
