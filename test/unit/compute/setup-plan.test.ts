/** From what was found to what is proposed: no machine is looked at. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DeviceReport } from '../../../src/compute/protocol.ts';
import { homeDirectory, withLibraries } from '../../../src/compute/setup/home.ts';
import { planSetup, wheelPackage, type Route } from '../../../src/compute/setup/plan.ts';
import { parseAnswer, type PythonTensorflow, type Survey } from '../../../src/compute/setup/survey.ts';

const WASM: DeviceReport = { name: 'wasm', usable: true, detail: '1 thread, SIMD', gpu: false };
const CPU_WHEEL: PythonTensorflow = {
  version: '2.21.0',
  directory: '/venv/lib/python3.12/site-packages/tensorflow',
  cuda: undefined,
  hasLibrary: true,
  hasHeaders: true,
  libraries: [],
};
const CUDA_WHEEL: PythonTensorflow = { ...CPU_WHEEL, cuda: '12.5.1', libraries: ['/venv/nvidia/cudnn/lib'] };
const NOTHING: Survey = {
  platform: 'linux',
  architecture: 'x64',
  node: { path: '/usr/bin/node', version: '24.1.0' },
  npm: ['/usr/bin/npm'],
  compiler: '/usr/bin/g++',
  python: { path: '/usr/bin/python3', version: '3.12.1', tensorflow: undefined },
  nvidia: [],
  graphics: false,
  devices: { chosen: 'wasm', devices: [WASM] },
};
const python = (tensorflow: PythonTensorflow) => ({
  path: '/venv/bin/python',
  version: '3.12.1',
  tensorflow,
});
const route = (survey: Survey, name: Route['name']): Route =>
  planSetup(survey).routes.find((each) => each.name === name)!;

for (const [what, survey, recommended] of [
  [
    'an NVIDIA GPU and a TensorFlow for CUDA',
    { nvidia: ['H200'], graphics: true, python: python(CUDA_WHEEL) },
    'wheel',
  ],
  [
    'an NVIDIA GPU and a TensorFlow without CUDA',
    { nvidia: ['H200'], graphics: true, python: python(CPU_WHEEL) },
    'webgpu',
  ],
  [
    'an NVIDIA GPU and no compiler',
    { nvidia: ['H200'], graphics: true, python: python(CUDA_WHEEL), compiler: undefined },
    'webgpu',
  ],
  ['a GPU of another make', { graphics: true, python: python(CPU_WHEEL) }, 'webgpu'],
  ['no GPU, and TensorFlow', { python: python(CPU_WHEEL) }, 'wheel'],
  ['no GPU, and no TensorFlow', {}, 'tfjs-node'],
  ['no npm', { npm: undefined, graphics: true, python: python(CPU_WHEEL) }, undefined],
  ['a Mac', { platform: 'darwin', architecture: 'arm64', graphics: true }, 'webgpu'],
  ['Windows', { platform: 'win32', graphics: true }, 'webgpu'],
  [
    'a GPU at work already',
    {
      graphics: true,
      python: python(CUDA_WHEEL),
      devices: {
        chosen: 'webgpu',
        devices: [{ name: 'webgpu', usable: true, detail: 'Arc', gpu: true }, WASM],
      },
    },
    undefined,
  ],
  [
    'TensorFlow at work already, and no GPU',
    {
      python: python(CPU_WHEEL),
      devices: {
        chosen: 'tensorflow',
        devices: [{ name: 'tensorflow', usable: true, detail: '', gpu: false }, WASM],
      },
    },
    undefined,
  ],
] as const satisfies readonly [string, Partial<Survey>, Route['name'] | undefined][]) {
  test(`with ${what}: ${recommended ?? 'nothing'} is proposed`, () => {
    const plan = planSetup({ ...NOTHING, ...survey });
    assert.equal(plan.recommended, recommended);
    assert.equal(plan.routes.length, 3);
    if (recommended !== undefined)
      assert.equal(plan.routes[0]?.name, recommended, 'the proposed one comes first');
    const open = plan.routes.map(({ blocked }) => blocked === undefined);
    assert.deepEqual(
      open,
      open.toSorted((a, b) => Number(b) - Number(a)),
      'what cannot be done comes last',
    );
  });
}

test('what is missing is named, with what to do about it', () => {
  const withPython = { ...NOTHING, python: python(CPU_WHEEL) };
  assert.match(route(NOTHING, 'wheel').blocked!, /pip install 'tensorflow\[and-cuda\]'.*twa\.pythonPath/);
  assert.match(route({ ...withPython, compiler: undefined }, 'wheel').blocked!, /apt-get install g\+\+/);
  assert.match(route({ ...withPython, npm: undefined }, 'webgpu').blocked!, /no npm beside \/usr\/bin\/node/);
  assert.match(
    route({ ...withPython, node: undefined, npm: undefined }, 'webgpu').blocked!,
    /no Node\.js.*TWA_NODE/,
  );
  assert.match(
    route({ ...NOTHING, python: python({ ...CPU_WHEEL, hasHeaders: false }) }, 'wheel').blocked!,
    /without its C library or its headers/,
  );
  assert.equal(
    route({ ...NOTHING, python: 'There is no Python in PATH.' }, 'wheel').blocked,
    'There is no Python in PATH.',
  );
  assert.match(route({ ...withPython, platform: 'darwin' }, 'wheel').blocked!, /on Linux only/);
});

test('a route says what it will do and what will compute then', () => {
  const survey = { ...NOTHING, nvidia: ['NVIDIA H200'], graphics: true };
  const cuda = route({ ...survey, python: python(CUDA_WHEEL) }, 'wheel');
  assert.match(cuda.does, /Downloads @tensorflow\/tfjs-node-gpu 4\.22\.0.*compiles/);
  assert.match(cuda.gives, /NVIDIA H200 through CUDA 12\.5\.1/);
  const cpu = route({ ...survey, python: python(CPU_WHEEL) }, 'wheel');
  assert.match(cpu.gives, /processor.*tensorflow\[and-cuda\]/);
  assert.equal(wheelPackage(CPU_WHEEL), '@tensorflow/tfjs-node');
  assert.match(
    planSetup({ ...survey, python: python(CUDA_WHEEL) }).found.join('\n'),
    /built for CUDA 12\.5\.1, with its libraries/,
  );
});

test("what Python answers is read past an interpreter's greeting", () => {
  const answer = { version: '3.11.2', tensorflow: { ...CPU_WHEEL, cuda: null } };
  assert.deepEqual(parseAnswer(`Welcome!\n${JSON.stringify(answer)}\n`), {
    version: '3.11.2',
    tensorflow: CPU_WHEEL,
  });
  assert.equal(parseAnswer('{"version": "3.9.1", "tensorflow": null}').tensorflow, undefined);
});

test('our directory is where caches are, or where TWA_HOME says', () => {
  assert.equal(homeDirectory({}, 'linux', '/home/me'), '/home/me/.cache/twa');
  assert.equal(homeDirectory({ XDG_CACHE_HOME: '/cache' }, 'linux', '/home/me'), '/cache/twa');
  assert.equal(homeDirectory({}, 'darwin', '/Users/me'), '/Users/me/Library/Caches/twa');
  assert.equal(homeDirectory({ TWA_HOME: '/elsewhere' }, 'linux', '/home/me'), '/elsewhere');
});

test(
  "libraries of CUDA come after the user's own",
  { skip: process.platform !== 'linux' && 'Linux only' },
  () => {
    assert.equal(withLibraries({ LD_LIBRARY_PATH: '/mine' }, ['/a', '/b'])['LD_LIBRARY_PATH'], '/mine:/a:/b');
    assert.equal(withLibraries({}, [])['LD_LIBRARY_PATH'], undefined);
  },
);
