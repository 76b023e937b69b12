/** Starts the host with the .vsix of TWA_VSIX again and again, and prints what `host.cjs` measured in it. */
import { mkdtemp, rm } from 'node:fs/promises';
import { loadavg, tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { format } from 'node:util';
import { openBrowser } from '../../scripts/workbench/browser.ts';
import { startServer } from '../../scripts/workbench/server.ts';

interface Measured {
  /** Milliseconds. */
  readonly wall: number;
  readonly cpu: number;
}

const GOAL_MS = 50;
const LIMIT_MS = 180_000;

const vsix = process.env['TWA_VSIX'];
if (vsix === undefined) throw new Error('TWA_VSIX is not set: run bench/activation.mjs.');
const times = Number(process.argv[2] ?? 7);
const found: Measured[] = [];
for (let i = 0; i < times; i++) {
  const one = await once(vsix);
  found.push(one);
  console.log(`${i + 1}: ${one.wall.toFixed(0)} ms, ${one.cpu.toFixed(0)} ms of the host's processor time`);
}
const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!;
const wall = median(found.map((one) => one.wall));
console.log(
  `median of ${times}: ${wall.toFixed(0)} ms (${median(found.map((one) => one.cpu)).toFixed(0)} ms of processor time, all threads); ` +
    `goal ${GOAL_MS} ms; load of the machine ${loadavg()[0]!.toFixed(1)}`,
);

async function once(installed: string): Promise<Measured> {
  const folder = await mkdtemp(path.join(tmpdir(), 'twa-activation-'));
  const server = await startServer({ testDriver: true, vsix: installed });
  const browser = await openBrowser();
  try {
    const ended = Promise.withResolvers<Measured>();
    const deadline = setTimeout(() => ended.reject(new Error('The host did not answer.')), LIMIT_MS);
    await browser.page.exposeFunction('codeAutomationLog', (_: string, args: unknown[]) => {
      const [, text] = /ACTIVATION (\{.*\})/.exec(format(...args)) ?? [];
      if (text !== undefined) ended.resolve(JSON.parse(text) as Measured);
    });
    await browser.page.exposeFunction('codeAutomationExit', (code: number) => {
      if (code !== 0) ended.reject(new Error('The measuring failed inside the host.'));
    });
    const remote = (file: string): string =>
      `vscode-remote://${server.authority}${pathToFileURL(file).pathname}`;
    await browser.page.goto(
      server.address(folder, [
        ['extensionDevelopmentPath', remote(import.meta.dirname)],
        ['extensionTestsPath', remote(path.join(import.meta.dirname, 'host.cjs'))],
      ]),
      { waitUntil: 'domcontentloaded', timeout: LIMIT_MS },
    );
    const measured = await ended.promise;
    clearTimeout(deadline);
    return measured;
  } finally {
    await browser.close();
    await server.stop();
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}
