/**
 * The compute process: one job, one answer, then the end. It also ends when its parent goes away. Jobs are imported
 * when they are asked for, so that merging without a task starts at once and loads no GPU library.
 */
import { serializeError } from '../core/errors.ts';
import type { JobContext } from './jobs/context.ts';
import { parseToCompute } from './messages.ts';
import type { FromCompute, Jobs, ToCompute } from './protocol.ts';

/** How long a job may take to clean up after its parent went away. */
const ORPHAN_MS = 5000;

const controller = new AbortController();
let busy = false;

const context: JobContext = {
  signal: controller.signal,
  onProgress: (progress) => void send({ kind: 'progress', progress }),
  log: (level, text) => void send({ kind: 'log', level, text }),
};

async function run(message: Extract<ToCompute, { kind: 'start' }>): Promise<Jobs[keyof Jobs]['result']> {
  const { contributions = [] } = message;
  if (contributions.length > 0) {
    const { register } = await import('../core/contributions/registry.ts');
    for (const contribution of contributions) await register(contribution);
  }
  switch (message.job) {
    case 'average':
      return (await import('./jobs/average.ts')).average(message.request, context);
    case 'live':
      return (await import('./jobs/live.ts')).live(message.request, context);
    case 'evaluate':
      return (await import('./jobs/evaluate.ts')).evaluate(message.request, context);
    case 'devices':
      return (await import('./jobs/devices.ts')).devices(message.request, context);
    case 'tensorStatistics':
      return (await import('./jobs/tensors.ts')).statistics(message.request, context);
    case 'compareTensors':
      return (await import('./jobs/tensors.ts')).compare(message.request, context);
    case 'geometry':
      return (await import('./jobs/geometry.ts')).geometry(message.request, context);
    case 'command':
      return (await import('./jobs/command.ts')).command(message.request, context);
    case 'convert':
      return (await import('./jobs/convert.ts')).convert(message.request, context);
  }
}

async function receive(raw: unknown): Promise<void> {
  const message = parseToCompute(raw);
  if (message.kind === 'cancel') {
    controller.abort();
    return;
  }
  if (busy) throw new Error('A compute process serves one job.');
  busy = true;
  await finish({ kind: 'result', result: await run(message) });
}

async function finish(answer: FromCompute): Promise<never> {
  await send(answer);
  process.exit();
}

/** Resolves when the message has left; at once where nobody listens any more. */
function send(message: FromCompute): Promise<void> {
  return new Promise((resolve) => {
    if (process.send === undefined || !process.connected) resolve();
    else process.send(message, undefined, undefined, () => resolve());
  });
}

const fail = (error: unknown): void => void finish({ kind: 'error', error: serializeError(error) });

if (process.send === undefined) {
  process.stderr.write(
    'This program is started by the twa command and the editor; it does nothing by itself.\n',
  );
  process.exit(2);
}
// What a task module leaves running must not end the process without an answer.
process.on('uncaughtException', fail);
process.on('unhandledRejection', fail);
process.on('message', (raw) => void receive(raw).catch(fail));
process.on('disconnect', () => {
  controller.abort();
  if (!busy) process.exit();
  setTimeout(() => process.exit(1), ORPHAN_MS);
});
void send({ kind: 'ready', pid: process.pid });
