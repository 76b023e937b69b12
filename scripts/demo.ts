/**
 * `npm run demo` and `npm run demo:pytorch`: the main job on real data, with no editor. Trains an example while the
 * watcher follows it, runs a TWA pass over its checkpoints, writes and evaluates the merged weights, prints the result
 * table and leaves everything in `demo-output/` (made anew each time). `scripts/demo.mjs` installs and builds first.
 *
 * node scripts/demo.ts [digits|pytorch]
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { formatTable } from '../src/cli/table.ts';
import { runJob } from '../src/compute/client.ts';
import { chooseOutput } from '../src/core/averaging/output.ts';
import { reportPathFor } from '../src/core/averaging/report.ts';
import { requireComplete } from '../src/core/checkpoints/registry.ts';
import type { CheckpointEntry, RunsSnapshot } from '../src/core/runs/types.ts';
import { watchRuns } from '../src/core/runs/watch.ts';

const root = path.resolve(import.meta.dirname, '..');
const EXAMPLES = {
  digits: { folder: 'examples/digits', train: [process.execPath, 'train.ts'] },
  pytorch: { folder: 'examples/pytorch-digits', train: [process.env['TWA_PYTHON'] ?? 'python3', 'train.py'] },
} as const;
const { folder, train } = EXAMPLES[process.argv[2] === 'pytorch' ? 'pytorch' : 'digits'];
const demo = path.join(root, 'demo-output');
const runs = path.join(demo, 'runs');
/** TWA mixes the tail of a run: the first epochs are still on their way down. */
const FIRST_EPOCH = 11;
const EPOCHS = 40;
const SEED = 1;

const say = (text: string): void => void process.stdout.write(`${text}\n`);
const seconds = (since: number): string => `${((performance.now() - since) / 1000).toFixed(1)} s`;

const started = performance.now();
await rm(demo, { recursive: true, force: true });
await mkdir(runs, { recursive: true });

say(`Training ${folder} for ${EPOCHS} epochs; the watcher follows ${path.relative(root, runs)}:`);
const watcher = watchRuns([runs], {});
const seen = new Set<string>();
const report = (snapshot: RunsSnapshot): void => {
  for (const checkpoint of completeCheckpoints(snapshot)) {
    const loss = checkpoint.metrics['val/loss'];
    const accuracy = checkpoint.metrics['val/accuracy'];
    if (seen.has(checkpoint.path) || loss === undefined || accuracy === undefined) continue;
    seen.add(checkpoint.path);
    say(
      `  ${checkpoint.name}  epoch ${String(checkpoint.epoch).padStart(2)}  val/loss ${loss.toFixed(4)}  ` +
        `val/accuracy ${(100 * accuracy).toFixed(2)} %`,
    );
  }
};
const stopListening = watcher.onChange(report);
const training = performance.now();
const [program, script] = train;
const trainer = spawn(
  program,
  [path.join(root, folder, script), ...['--out', runs, '--seed', String(SEED), '--epochs', String(EPOCHS)]],
  { stdio: ['ignore', 'ignore', 'inherit'] },
);
const [code] = (await once(trainer, 'exit')) as [number | null];
if (code !== 0) throw new Error(`Training ended with exit code ${String(code)}.`);
const trainingTime = seconds(training);
await waitFor(() => completeCheckpoints(watcher.snapshot).length === EPOCHS && seen.size === EPOCHS);
stopListening();

const selected = completeCheckpoints(watcher.snapshot).filter(
  (checkpoint) => (checkpoint.epoch ?? 0) >= FIRST_EPOCH,
);
await watcher.close();
say(`Trained in ${trainingTime}. Averaging the ${selected.length} checkpoints from epoch ${FIRST_EPOCH} on.`);

const headers = await Promise.all(selected.map((checkpoint) => requireComplete(checkpoint.path)));
const { output, partial } = await chooseOutput({ headers, method: 'twa' });
const averaging = performance.now();
const result = await runJob(
  'average',
  {
    checkpoints: headers.map((header) => header.path),
    method: 'twa',
    task: path.join(root, folder, 'twa.json'),
    options: {},
    buffers: 'recalibrate',
    seed: SEED,
    backend: 'auto',
    output,
    partial,
  },
  {
    onProgress: ({ phase, message }) => {
      if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K  ${phase}: ${message}`);
    },
  },
);
if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');

say('');
say(formatTable(result));
say('');
say(result.recommendation.sentence);
say('');
await writeFile(path.join(demo, 'report.json'), `${JSON.stringify(result, undefined, 2)}\n`);
say(`Merged weights: ${path.relative(root, output)} (report: ${path.relative(root, reportPathFor(output))})`);
say(`TWA pass ${seconds(averaging)}, everything ${seconds(started)}. Report: demo-output/report.json`);

function completeCheckpoints(snapshot: RunsSnapshot): readonly CheckpointEntry[] {
  return snapshot.runs
    .flatMap((run) => run.checkpoints)
    .filter((checkpoint) => checkpoint.state === 'complete');
}

async function waitFor(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 30_000;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error('The watcher did not see every checkpoint in 30 s.');
    report(watcher.snapshot);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
