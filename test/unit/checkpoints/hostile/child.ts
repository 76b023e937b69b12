/**
 * Opens checkpoints that somebody made to do harm, in a process of little memory: reads the header and, where there is
 * one, every tensor. Prints a line of JSON for each: what came of it, and what it took.
 */
import { readFileSync } from 'node:fs';

import { elementCount } from '../../../../src/core/checkpoints/dtype.ts';
import { formatById, requireComplete } from '../../../../src/core/checkpoints/registry.ts';
import { TwaError } from '../../../../src/core/errors.ts';

const CHUNK = 1 << 16;

async function use(path: string): Promise<string> {
  const header = await requireComplete(path);
  const reader = await formatById(header.format).open(header, { hash: true });
  try {
    for (const tensor of header.tensors) {
      const stored = tensor.aliasOf === undefined ? tensor : { ...tensor, name: tensor.aliasOf };
      const total = elementCount(tensor.shape)!;
      for (let start = 0; start < total; start += CHUNK) {
        await reader.read(stored, start, Math.min(CHUNK, total - start));
      }
    }
    await reader.sha256();
  } finally {
    await reader.close();
  }
  return `complete: ${header.tensors.map(({ name }) => name).join()}`;
}

/** `maxRSS` counts the parent before it became this process, so where the system knows better it is asked. */
function peakMegabytes(): number {
  try {
    return Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'))![1]) / 1e3;
  } catch {
    return process.resourceUsage().maxRSS / 1e3;
  }
}

// What is loaded once is no part of the first file's time.
await use(process.argv[2]!).catch(() => undefined);
for (const path of process.argv.slice(3)) {
  const before = process.cpuUsage();
  let code = 'complete';
  let message = '';
  try {
    message = await use(path);
  } catch (error) {
    code = error instanceof TwaError ? error.code : 'a defect';
    message = error instanceof Error ? error.message : String(error);
  }
  // What the system takes to hand out memory differs tenfold between machines: no part of what the reader does.
  const { user } = process.cpuUsage(before);
  const polluted = Object.keys(Object.prototype).length > 0 || 'polluted' in {};
  console.log(
    JSON.stringify({
      path,
      code,
      message,
      seconds: user / 1e6,
      megabytes: peakMegabytes(),
      polluted,
    }),
  );
}
