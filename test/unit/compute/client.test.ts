import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { runJob } from '../../../src/compute/client.ts';
import { temporaryDirectory, writeText } from './files.ts';

test('what libraries say of themselves is for logs, what else goes to stderr for people', async () => {
  // As TensorFlow 2.21.0 and Dawn of webgpu 0.6.2 print it.
  const talk = [
    'WARNING: All log messages before absl::InitializeLog() is called are written to STDERR',
    'I0000 00:00:1796047096.611238   15324 port.cc:153] oneDNN custom operations are on. You may see slightly ...',
    "Warning: Couldn't load Vulkan: libvulkan.so.1: cannot open shared object file: No such file or directory",
    '    at operator() (/home/runner/work/node-webgpu/third_party/dawn/src/dawn/native/vulkan/BackendVk.cpp:368)',
  ];
  const said = [
    'Warning: this module is old',
    'W0000 00:00:1796047096.611238   15324 gpu.cc:1] GPU is old',
    'I am a module',
  ];
  const computePath = writeText(
    path.join(temporaryDirectory(), 'compute.mjs'),
    `process.on('message', () => {
       process.stderr.write(${JSON.stringify([...talk, ...said, ''].join('\n'))});
       process.send({ kind: 'result', result: { chosen: undefined, devices: [] } }, () => process.exit());
     });
     process.send({ kind: 'ready', pid: process.pid });`,
  );
  const lines: Record<string, string[]> = {};
  await runJob('devices', {}, { computePath, onLog: (level, text) => (lines[level] ??= []).push(text) });
  assert.deepEqual(lines, { debug: talk, warn: said });
});
