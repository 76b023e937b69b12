/** The host's side of a tensors page, over real files; the child process is played. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { test, type TestContext } from 'node:test';
import type { JobName, Jobs } from '../../../src/compute/protocol.ts';
import { cancelled, TwaError } from '../../../src/core/errors.ts';
import { shownCheckpoint, type Subject, TensorsSession } from '../../../src/extension/tensors/session.ts';
import { readToTensors, type ToTensors } from '../../../webview/tensors/protocol.ts';
import { directoryWith } from '../task/temporary.ts';

const mixed = (epoch: number) =>
  path.resolve(import.meta.dirname, `../../fixtures/checkpoints/mixed/epoch-00${epoch}.safetensors`);
const row = { name: 'scalar', min: 1, max: 1, mean: 1, std: 0, nan: 0, infinite: 0 };

interface Started {
  readonly job: JobName;
  readonly request: unknown;
  readonly signal: AbortSignal;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: unknown) => void;
  readonly onProgress: (progress: { fraction: number; message: string }) => void;
}

function open(subject: Subject) {
  const sent: ToTensors[] = [];
  const jobs: Started[] = [];
  const said: string[] = [];
  const session = new TensorsSession(
    {
      post: (message) => {
        // Whatever is sent must be what the page's own narrowing lets through.
        assert.deepEqual(readToTensors(JSON.parse(JSON.stringify(message))), message);
        sent.push(message);
      },
      copy: (text) => said.push(`copy ${text}`),
      warn: (text) => said.push(text),
      run: <J extends JobName>(
        job: J,
        request: Jobs[J]['request'],
        hooks: Pick<Started, 'signal' | 'onProgress'>,
      ) =>
        new Promise<Jobs[J]['result']>((resolve, reject) => {
          jobs.push({ job, request, resolve: resolve as (result: unknown) => void, reject, ...hooks });
          hooks.signal.addEventListener('abort', () => reject(cancelled()));
        }),
      titles: { incomplete: 'incomplete', unreadable: 'unreadable' },
    },
    subject,
  );
  const kinds = () => sent.map(({ kind }) => kind).join(' ');
  const until = async (kind: ToTensors['kind']) => {
    while (sent.at(-1)?.kind !== kind) await turn();
  };
  return { session, sent, jobs, said, kinds, until };
}

test('a checkpoint: nothing before the page is ready, then its headers', async () => {
  const { session, sent, until } = open({ kind: 'checkpoint', path: mixed(2) });
  await turn();
  assert.equal(sent.length, 0);
  session.receive({ kind: 'ready' });
  await until('checkpoint');
  const [message] = sent;
  assert.ok(message?.kind === 'checkpoint');
  const { checkpoint } = message;
  assert.deepEqual(
    [checkpoint.name, checkpoint.format, checkpoint.step, checkpoint.epoch, checkpoint.tensors.length],
    ['epoch-002.safetensors', 'safetensors', 200, 2, 19],
  );
  assert.equal(checkpoint.bytes, readFileSync(mixed(2)).length);
  assert.deepEqual(checkpoint.metadata, { format: 'np', epoch: '2', global_step: '200' });
});

test('statistics: computed once at a time, kept for a page that comes back', async () => {
  const { session, sent, jobs, kinds, until } = open({ kind: 'checkpoint', path: mixed(1) });
  session.receive({ kind: 'ready' });
  await until('checkpoint');
  session.receive({ kind: 'compute', tensors: ['scalar'] });
  session.receive({ kind: 'compute' });
  assert.deepEqual(
    jobs.map(({ job, request }) => [job, request]),
    [['tensorStatistics', { checkpoint: mixed(1), tensors: ['scalar'] }]],
  );
  jobs[0]!.onProgress({ fraction: 0.5, message: 'scalar' });
  jobs[0]!.resolve({ rows: [row] });
  await until('ended');
  assert.equal(kinds(), 'checkpoint running running statistics ended');
  session.pause();
  session.receive({ kind: 'ready' });
  await until('checkpoint');
  assert.deepEqual(sent.at(-1), { ...sent[0], statistics: [row] });
});

test('statistics: cancelled says nothing, failed says why', async () => {
  const { session, sent, jobs, until } = open({ kind: 'checkpoint', path: mixed(1) });
  session.receive({ kind: 'ready' });
  await until('checkpoint');
  session.receive({ kind: 'compute' });
  session.receive({ kind: 'cancel' });
  await until('ended');
  assert.ok(jobs[0]!.signal.aborted);
  assert.deepEqual(sent.at(-1), { kind: 'ended' });
  session.receive({ kind: 'compute' });
  jobs[1]!.reject(new TwaError('incomplete-checkpoint', 'It changed.'));
  await turn();
  await until('ended');
  assert.deepEqual(sent.at(-1), { kind: 'ended', message: 'It changed.' });
});

test('a closed page stops its job', async () => {
  const { session, jobs, until } = open({ kind: 'checkpoint', path: mixed(1) });
  session.receive({ kind: 'ready' });
  await until('checkpoint');
  session.receive({ kind: 'compute' });
  session.dispose();
  assert.ok(jobs[0]!.signal.aborted);
});

function cutOff(context: TestContext) {
  const bytes = readFileSync(mixed(1));
  const file = path.join(directoryWith(context, {}), 'cut.safetensors');
  writeFileSync(file, bytes.subarray(0, bytes.length - 5));
  return { file, complete: () => writeFileSync(file, bytes) };
}

test('what a format notes is shown, and no value of the metadata is longer than a page can bear', () => {
  const { notes, metadata } = shownCheckpoint({
    ...{ path: '/run/a.pt', format: 'safetensors', tensors: [], files: [] },
    ...{ metadata: { config: 'x'.repeat(30_000), step: '7' }, notes: ['It names evil.module.Thing.'] },
  });
  assert.deepEqual(notes, ['It names evil.module.Thing.']);
  assert.deepEqual([metadata['config']?.length, metadata['step']], [20_001, '7']);
});

test('a checkpoint that is still being written is explained, and shown once it is whole', async (context) => {
  const { file, complete } = cutOff(context);
  const { session, sent, until } = open({ kind: 'checkpoint', path: file });
  session.receive({ kind: 'ready' });
  await until('unavailable');
  assert.ok(sent[0]?.kind === 'unavailable' && sent[0].title === 'incomplete');
  assert.match(sent[0].message, /cut\.safetensors/);
  complete();
  session.reload();
  await until('checkpoint');
});

test('statistics of a file that has changed since are forgotten', async (context) => {
  const { file, complete } = cutOff(context);
  complete();
  const { session, sent, jobs, until } = open({ kind: 'checkpoint', path: file });
  session.receive({ kind: 'ready' });
  await until('checkpoint');
  session.receive({ kind: 'compute' });
  jobs[0]!.resolve({ rows: [row] });
  await until('ended');
  // In the middle of a job, whose answer would be about the old file.
  session.receive({ kind: 'compute' });
  session.reload();
  await until('checkpoint');
  assert.ok(jobs[1]!.signal.aborted);
  assert.ok(sent.at(-1)?.kind === 'checkpoint');
  assert.deepEqual((sent.at(-1) as Extract<ToTensors, { kind: 'checkpoint' }>).statistics, []);
});

test('no checkpoint at all is explained too', async (context) => {
  const file = path.join(directoryWith(context, { 'notes.txt': 'hello' }), 'notes.txt');
  const { session, sent, until } = open({ kind: 'checkpoint', path: file });
  session.receive({ kind: 'ready' });
  await until('unavailable');
  assert.ok(sent[0]?.kind === 'unavailable' && sent[0].title === 'unreadable');
  assert.match(sent[0].message, /notes\.txt is not a checkpoint/);
});

test('a comparison starts by itself, and not again for a page that comes back', async () => {
  const { session, sent, jobs, kinds, until } = open({ kind: 'comparison', a: mixed(1), b: mixed(4) });
  session.receive({ kind: 'ready' });
  await until('running');
  assert.deepEqual(
    jobs.map(({ job, request }) => [job, request]),
    [['compareTensors', { a: mixed(1), b: mixed(4) }]],
  );
  const changes = [{ name: 'scalar', normA: 1, normB: 2, distance: 1, dot: 2, largest: 1, notFinite: 0 }];
  jobs[0]!.resolve({ changes });
  await until('ended');
  assert.equal(kinds(), 'comparison running changes ended');
  session.pause();
  session.receive({ kind: 'ready' });
  await until('comparison');
  assert.deepEqual(sent.at(-1), { ...sent[0], changes });
  assert.equal(jobs.length, 1);
});

test('messages that are none are dropped and logged; copying goes through', () => {
  const { session, said } = open({ kind: 'checkpoint', path: mixed(1) });
  session.receive({ kind: 'copy', text: 'scalar' });
  session.receive({ kind: 'run', command: 'rm' });
  session.receive({ kind: 'defect', text: 'x is not a function' });
  assert.deepEqual(said, [
    'copy scalar',
    'The tensors page sent a message that is not understood.',
    'Tensors page: x is not a function',
  ]);
});
