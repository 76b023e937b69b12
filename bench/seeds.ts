/**
 * Is TWA worth it on the digits example? Trains it with several seeds, averages the checkpoints from epoch 11 on by
 * every method, and prints the report split's accuracy and loss, seed by seed. Nothing here is picked by hand: all
 * rows come from the reports that the passes wrote.
 *
 *   node bench/seeds.ts [--seeds 5] [--epochs 40] [--out DIR]
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { runJob } from '../src/compute/client.ts';
import type { AverageReport, TwaRule } from '../src/core/averaging/types.ts';
import { reportPathFor } from '../src/core/averaging/report.ts';

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '5' },
    epochs: { type: 'string', default: '40' },
    first: { type: 'string', default: '11' },
    out: { type: 'string' },
  },
});
const root = path.resolve(import.meta.dirname, '..');
const out = values.out ?? (await mkdtemp(path.join(os.tmpdir(), 'twa-seeds-')));
await mkdir(out, { recursive: true });

const rules: readonly TwaRule[] = ['iclr', 'v4'];
const columns = ['best', 'last', 'uniform', ...rules] as const;
const rows: { seed: number; accuracy: number[]; loss: number[] }[] = [];

for (let seed = 1; seed <= Number(values.seeds); seed++) {
  const run = path.join(out, `seed-${seed}`);
  if (!existsSync(run)) {
    const { status } = spawnSync(
      process.execPath,
      [
        path.join(root, 'examples/digits/train.ts'),
        ...['--out', out, '--seed', String(seed), '--epochs', values.epochs],
      ],
      { stdio: ['ignore', 'ignore', 'inherit'] },
    );
    if (status !== 0) throw new Error(`Training with seed ${seed} failed.`);
  }
  const checkpoints = readdirSync(run)
    .filter((name) => /^epoch-\d+$/.test(name) && Number(name.slice(6)) >= Number(values.first))
    .sort()
    .map((name) => path.join(run, name));
  const reports: AverageReport[] = [];
  for (const rule of rules) {
    const output = path.join(run, 'averages', `bench-${rule}`);
    if (!existsSync(output)) {
      await mkdir(path.dirname(output), { recursive: true });
      await runJob(
        'average',
        {
          checkpoints,
          method: 'twa',
          task: path.join(root, 'examples/digits/twa.json'),
          options: { rule },
          buffers: 'recalibrate',
          seed,
          backend: 'auto',
          output,
          partial: `${output}.partial`,
        },
        {},
      );
    }
    reports.push(JSON.parse(await readFile(reportPathFor(output), 'utf8')) as AverageReport);
  }
  const cell = (id: string) => {
    const report = reports[Math.max(0, rules.indexOf(id as TwaRule))]!;
    const row = report.table.find(
      (candidate) => candidate.id === ((rules as readonly string[]).includes(id) ? 'twa' : id),
    );
    if (row === undefined) throw new Error(`No row ${id} in the report of seed ${seed}.`);
    return row;
  };
  const cells = columns.map(cell);
  rows.push({ seed, accuracy: cells.map((row) => 100 * row.metric), loss: cells.map((row) => row.loss) });
  print(rows.at(-1)!);
}

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;
const deviation = (values: readonly number[]): number =>
  Math.sqrt(
    values.reduce((sum, value) => sum + (value - mean(values)) ** 2, 0) / Math.max(1, values.length - 1),
  );
console.log(`\n${'method'.padEnd(10)}accuracy %          loss`);
columns.forEach((name, at) => {
  const accuracy = rows.map((row) => row.accuracy[at]!);
  const loss = rows.map((row) => row.loss[at]!);
  console.log(
    `${name.padEnd(10)}${mean(accuracy).toFixed(2)} +- ${deviation(accuracy).toFixed(2)}      ` +
      `${mean(loss).toFixed(4)} +- ${deviation(loss).toFixed(4)}`,
  );
});
await writeFile(path.join(out, 'seeds.json'), `${JSON.stringify({ columns, rows }, undefined, 2)}\n`);
console.log(`\nreport split of ${values.seeds} seeds; written to ${path.join(out, 'seeds.json')}`);

function print(row: (typeof rows)[number]): void {
  if (row.seed === 1)
    console.log(`seed  ${columns.map((name) => `${name} (acc % / loss)`.padEnd(24)).join('')}`);
  console.log(
    `${String(row.seed).padEnd(6)}${columns.map((_, at) => `${row.accuracy[at]!.toFixed(2)} / ${row.loss[at]!.toFixed(4)}`.padEnd(24)).join('')}`,
  );
}
