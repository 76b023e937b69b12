/**
 * How fast the curves page is in a real Chromium, with the data sizes that other monitors give up at, and Chart.js with
 * its own means beside it on the same data.
 *
 *     npm run build && TWA_CHROMIUM=/usr/bin/chromium node bench/curves.ts [--only lines|runs] [--no-peers] [--points 1000000]
 *
 * `lines`: 10 series of 1,000,000 points in 5 charts. `runs`: 200 runs with 5 series of 10,000 points, 200 lines per
 * chart. The data is made in the page and goes through the messages of the extension host, cut by its own feed.
 *
 * - first: from the first message until all lines are drawn over their whole length, and which share of the painted
 *   pixels is then as it is in the end; until all points are there and drawn, in milliseconds. Beside it how long the
 *   host took to make the first message, which holds an overview of each line.
 * - frame: the main thread's time for one step of a zoom or a pan, from the event to the end of its frame; the median,
 *   the 95th percentile and the greatest of 60, and until the picture is sharp again after the last one; and the
 *   processor time of that thread per step, which other work on the machine changes little.
 * - live: 1,000 points per second for 5 s (per message 250, spread over all series): the longest pause between frames.
 * - memory: of the renderer process (RSS), above what it had with an empty page.
 */
import { readdir, readFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import type { Page } from 'playwright-core';
import { openBrowser } from '../scripts/workbench/browser.ts';
import { openWebview } from '../test/e2e/webviews/open.ts';
import { hostModules } from './curves-host.ts';

const { values: options } = parseArgs({
  options: {
    only: { type: 'string' },
    peers: { type: 'boolean', default: true },
    points: { type: 'string', default: '1000000' },
    screenshots: { type: 'string' },
  },
  allowNegative: true,
});

interface Size {
  readonly runs: number;
  readonly series: number;
  readonly points: number;
}
const SIZES: Readonly<Record<string, Size>> = {
  lines: { runs: 1, series: 10, points: Number(options.points) },
  runs: { runs: 200, series: 5, points: Math.ceil(Number(options.points) / 100) },
};

/** Milliseconds. */
interface Frames {
  readonly median: number;
  readonly p95: number;
  readonly max: number;
}
interface Figures {
  readonly allLines: number;
  readonly allPoints: number;
  /** Of the painted pixels, how many are right when all lines are drawn. */
  readonly right?: number;
  /** Until the host has the first message. */
  readonly host?: number;
  readonly frames: Frames;
  /** Processor time of the main thread per step, milliseconds. */
  readonly work: number;
  /** Until a picture that was moved is drawn anew. */
  readonly sharp?: number;
  readonly live?: { readonly pause: number; readonly work: number };
  readonly memory: number;
}

interface First {
  readonly host: number;
  readonly lines: number;
  readonly same: number;
  readonly all: number;
}

const hostScript = await hostModules();
const inPage = await readFile(path.join(import.meta.dirname, 'curves-page.mjs'), 'utf8');
const chartJs = path.resolve(import.meta.dirname, '../node_modules/chart.js/dist/chart.umd.js');

/** Sum of what the renderer processes that this program started hold, in MB. */
async function rendererMemory(): Promise<number> {
  const parents = new Map<number, number>();
  const renderers: number[] = [];
  for (const name of await readdir('/proc')) {
    const pid = Number(name);
    if (!Number.isInteger(pid)) continue;
    try {
      const status = await readFile(`/proc/${pid}/status`, 'utf8');
      parents.set(pid, Number(/^PPid:\s+(\d+)/m.exec(status)?.[1]));
      if ((await readFile(`/proc/${pid}/cmdline`, 'utf8')).includes('--type=renderer')) renderers.push(pid);
    } catch {
      // Ended meanwhile.
    }
  }
  const isOurs = (pid: number): boolean => {
    for (let at: number | undefined = pid; at !== undefined && at > 1; at = parents.get(at)) {
      if (at === process.pid) return true;
    }
    return false;
  };
  let kilobytes = 0;
  for (const pid of renderers.filter(isOurs)) {
    const status = await readFile(`/proc/${pid}/status`, 'utf8');
    kilobytes += Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0);
  }
  return kilobytes / 1024;
}

/** Runs a part of the benchmark in the page. @returns also the main thread's processor time for it, milliseconds. */
async function worked<T>(
  page: Page,
  run: () => Promise<T>,
): Promise<{ readonly value: T; readonly ms: number }> {
  const session = await page.context().newCDPSession(page);
  await session.send('Performance.enable', { timeDomain: 'threadTicks' });
  const spent = async (): Promise<number> => {
    const { metrics } = await session.send('Performance.getMetrics');
    return 1000 * metrics.find(({ name }) => name === 'TaskDuration')!.value;
  };
  const before = await spent();
  const value = await run();
  const ms = (await spent()) - before;
  await session.detach();
  return { value, ms };
}

async function ours(name: string, size: Size): Promise<Figures> {
  const browser = await openBrowser({ width: 1200, height: 800 });
  try {
    const view = await openWebview(browser.page, 'curves');
    const { page } = view;
    await page.evaluate(inPage);
    await page.evaluate(hostScript);
    await page.evaluate(`bench.make(${JSON.stringify(size)}, curvesHost)`);
    const made = await rendererMemory();
    const first = await page.evaluate<First>('bench.first()');
    if (options.screenshots !== undefined) {
      await page.screenshot({ path: path.join(options.screenshots, `bench-${name}.png`) });
    }
    const memory = (await rendererMemory()) - made;
    const { value: zoomed, ms } = await worked(page, () =>
      page.evaluate<Frames & { sharp: number; times: readonly number[] }>('bench.frames()'),
    );
    if (options.screenshots !== undefined) {
      await page.screenshot({ path: path.join(options.screenshots, `bench-${name}-zoomed.png`) });
    }
    const live = await page.evaluate<{ pause: number; work: number }>('bench.live()');
    view.assertClean();
    return {
      allLines: first.lines,
      allPoints: first.all,
      right: first.same,
      host: first.host,
      frames: zoomed,
      work: ms / zoomed.times.length,
      sharp: zoomed.sharp,
      live,
      memory,
    };
  } finally {
    await browser.close();
  }
}

/** Chart.js with what it brings itself: `plain`, or its decimation plugin. Undefined when it takes over two minutes. */
async function peer(size: Size, decimation: boolean): Promise<Figures | undefined> {
  const browser = await openBrowser({ width: 1200, height: 800 });
  const { page } = browser;
  page.setDefaultTimeout(120_000);
  try {
    await page.setContent('<!doctype html><body style="margin:8px;background:#1f1f1f"></body>');
    await page.addScriptTag({ path: chartJs });
    await page.evaluate(inPage);
    await page.evaluate(hostScript);
    await page.evaluate(`bench.make(${JSON.stringify(size)}, curvesHost)`);
    const made = await rendererMemory();
    const all = (await within(page, `bench.peerFirst(${decimation})`)) as number;
    const memory = (await rendererMemory()) - made;
    const { value: frames, ms } = await worked(
      page,
      async () => (await within(page, 'bench.peerFrames()')) as Frames & { times: readonly number[] },
    );
    return { allLines: all, allPoints: all, frames, work: ms / frames.times.length, memory };
  } catch (error) {
    console.log(`  (${error instanceof Error ? error.message.split('\n')[0]! : String(error)})`);
    return undefined;
  } finally {
    await browser.close();
  }
}

async function within(page: Page, expression: string): Promise<unknown> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('not finished after 120 s')), 120_000);
  });
  try {
    return await Promise.race([page.evaluate(expression), late]);
  } finally {
    clearTimeout(timer);
  }
}

const ms = (value: number): string => (value < 100 ? value.toFixed(1) : value.toFixed(0)).padStart(8);

function print(name: string, figures: Figures, base?: Figures): void {
  const times = (of: (figures: Figures) => number): string =>
    base === undefined ? '' : ` (x ${(of(figures) / of(base)).toFixed(1)})`;
  const { allLines, allPoints, right, host, frames, work, sharp, live, memory } = figures;
  console.log(`  ${name}`);
  console.log(
    `    first ${ms(allLines)} ms all lines${right === undefined ? '' : ` (${(100 * right).toFixed(1)} % of their pixels)`}` +
      `${times((one) => one.allLines)}, ${ms(allPoints)} ms all points   memory ${memory.toFixed(0)} MB` +
      (host === undefined ? '' : `   (host ${ms(host)} ms)`),
  );
  console.log(
    `    frame ${ms(frames.median)} ms median${times((one) => one.frames.median)}, ${ms(frames.p95)} ms p95` +
      `${times((one) => one.frames.p95)}, ${ms(frames.max)} ms max` +
      (sharp === undefined ? '' : `; sharp after ${ms(sharp)} ms`),
  );
  console.log(`    work  ${ms(work)} ms of the processor per frame${times((one) => one.work)}`);
  if (live !== undefined) {
    console.log(`    live  ${ms(live.pause)} ms longest pause, ${ms(live.work)} ms median work per message`);
  }
}

for (const [name, size] of Object.entries(SIZES)) {
  if (options.only !== undefined && options.only !== name) continue;
  const load = os.loadavg()[0]!.toFixed(1);
  console.log(
    `${size.runs} run(s) x ${size.series} series x ${size.points} points (load ${load}, ${os.cpus().length} cores)`,
  );
  const figures = await ours(name, size);
  print('curves page', figures);
  if (!options.peers) continue;
  for (const decimation of [false, true]) {
    const other = await peer(size, decimation);
    const title = decimation ? 'Chart.js, its decimation plugin (min-max)' : 'Chart.js, plain';
    if (other === undefined) console.log(`  ${title}: no result`);
    else print(title, other, figures);
  }
}
