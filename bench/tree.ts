/**
 * What a run of 5,000 checkpoints costs the extension host: `node bench/tree.ts [--checkpoints 5000]`. The files are
 * real ones in a temporary folder, found by the watcher that the extension uses; the tree is the extension's own
 * provider, with stand-ins for the few classes of VS Code that it fills in. Times are of the processor, not of the
 * clock, so that other work on the machine counts as little as can be.
 */
import { build } from 'esbuild';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { availableParallelism, tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import type { RunsSnapshot } from '../src/core/runs/types.ts';
import { watchRuns } from '../src/core/runs/watch.ts';
import { Liveness } from '../src/extension/watching/liveness.ts';
import { RunIndex } from '../src/extension/watching/runIndex.ts';
import type { RunsTree } from '../src/extension/tree/provider.ts';

const { values } = parseArgs({ options: { checkpoints: { type: 'string', default: '5000' } } });
const count = Number(values.checkpoints);
const REPEATS = 7;

/** One float32 vector, as safetensors. */
const CHECKPOINT = (() => {
  const header = Buffer.from('{"w":{"dtype":"F32","shape":[256],"data_offsets":[0,1024]}}');
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt(header.length));
  return Buffer.concat([prefix, header, Buffer.alloc(1024)]);
})();

/** As much of `vscode` as the provider touches. */
const VSCODE = `
exports.TreeItem = class { constructor(label, state) { this.label = label; this.collapsibleState = state; } };
exports.ThemeIcon = class { constructor(id, color) { this.id = id; this.color = color; } };
exports.ThemeColor = class { constructor(id) { this.id = id; } };
exports.MarkdownString = class { constructor(value) { this.value = value; } };
exports.EventEmitter = class {
  #listeners = [];
  event = (listener) => void this.#listeners.push(listener);
  fire(value) { for (const listener of this.#listeners) listener(value); }
  dispose() {}
};
exports.TreeItemCollapsibleState = { None: 0, Collapsed: 1, Expanded: 2 };
exports.TreeItemCheckboxState = { Unchecked: 0, Checked: 1 };
exports.Uri = { file: (fsPath) => ({ scheme: 'file', fsPath }) };
exports.env = { language: 'en' };
exports.workspace = { getConfiguration: () => ({ get: () => undefined }) };
`;

interface Modules {
  readonly RunsTree: typeof RunsTree;
}

async function loadProvider(folder: string): Promise<Modules> {
  const stub = path.join(folder, 'vscode.cjs');
  await writeFile(stub, VSCODE);
  const outfile = path.join(folder, 'provider.cjs');
  await build({
    entryPoints: [path.resolve(import.meta.dirname, '../src/extension/tree/provider.ts')],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    alias: { vscode: stub },
    logLevel: 'error',
  });
  return createRequire(import.meta.url)(outfile) as Modules;
}

const cpu = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};

/** Median milliseconds of the processor; the first time apart. */
function measure(what: string, work: () => void): void {
  const times = Array.from({ length: REPEATS }, () => {
    const start = cpu();
    work();
    return cpu() - start;
  });
  const [first, ...rest] = times;
  const median = rest.sort((a, b) => a - b)[Math.floor(rest.length / 2)]!;
  console.log(`${what}: ${first!.toFixed(0)} ms at first, then ${median.toFixed(0)} ms`);
}

const folder = await mkdtemp(path.join(tmpdir(), 'twa-bench-tree-'));
try {
  const run = path.join(folder, 'workspace', 'run');
  await mkdir(run, { recursive: true });
  const log = ['step,val_accuracy'];
  for (let i = 1; i <= count; i++) {
    const step = i * 100;
    log.push(`${step},${(1 - 1 / (i + 1)).toFixed(6)}`);
    await writeFile(path.join(run, `step-${String(step).padStart(7, '0')}.safetensors`), CHECKPOINT);
  }
  await writeFile(path.join(run, 'metrics.csv'), `${log.join('\n')}\n`);
  const { RunsTree: Tree } = await loadProvider(folder);
  console.log(`${count} checkpoints in one run; Node ${process.version}, ${availableParallelism()} cores`);

  const start = { cpu: cpu(), clock: performance.now() };
  const watcher = watchRuns([path.dirname(run)], { polling: false });
  const snapshot = await new Promise<RunsSnapshot>((resolve) => {
    const look = (found: RunsSnapshot): void => {
      if (!found.scanning && found.runs[0]?.checkpoints.length === count) resolve(found);
    };
    watcher.onChange(look);
    look(watcher.snapshot);
  });
  console.log(
    `scan, every header and the log read: ${(cpu() - start.cpu).toFixed(0)} ms of processor time ` +
      `(${(performance.now() - start.clock).toFixed(0)} ms on the clock)`,
  );
  await watcher.close();

  let listener: (found: RunsSnapshot) => void = () => undefined;
  let now = snapshot;
  let index = new RunIndex(now);
  const runs = {
    get snapshot() {
      return now;
    },
    get index() {
      return index;
    },
    onChange: (wanted: typeof listener) => {
      listener = wanted;
      return () => undefined;
    },
  };
  const liveness = new Liveness({
    runs: { ...runs, snapshot: now },
    stalledIntervals: () => 10,
    everyMs: 1e9,
  });
  const tree = new Tree({
    runs,
    liveness,
    jobs: { state: { current: undefined, waiting: [] }, onChange: () => () => undefined },
    checked: () => new Set<string>(),
    arrangement: () => ({ order: 'newest', filter: '', pinned: new Set<string>() }),
  } as unknown as ConstructorParameters<typeof Tree>[0]);
  const [root] = tree.getChildren();

  measure('the closed run, which is all that is asked for at first', () => void tree.getTreeItem(root!));
  const open = (): unknown[] => tree.getChildren(root).map((node) => tree.getTreeItem(node));
  measure('opening it: every row', () => void open());
  console.log(`  ${(JSON.stringify(open()).length / 2 ** 20).toFixed(1)} MB to the window`);
  measure('one checkpoint more', () => {
    const [only] = now.runs;
    now = { ...now, runs: [{ ...only!, checkpoints: [...only!.checkpoints] }] };
    index = new RunIndex(now);
    listener(now);
  });
  liveness.dispose();
} finally {
  await rm(folder, { recursive: true, force: true });
}
