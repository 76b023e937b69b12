/** Setting up for real: what needs no network, and, where a Python has TensorFlow, the whole way. Needs `dist/compute.mjs`. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { runJob } from '../../../src/compute/client.ts';
import { install, uninstall } from '../../../src/compute/setup/install.ts';
import { planSetup, type Route } from '../../../src/compute/setup/plan.ts';
import { takeSurvey, type Survey } from '../../../src/compute/setup/survey.ts';
import { TwaError } from '../../../src/core/errors.ts';
import { temporaryDirectory, writeText } from './files.ts';
import { NO_VULKAN, useSoftwareVulkan } from './software-vulkan.ts';

const vulkan = useSoftwareVulkan();

/** The first of these that has a TensorFlow. */
const PYTHON = [process.env['TWA_TENSORFLOW_PYTHON'], process.env['TWA_PYTHON'], 'python3'].find((python) => {
  const probe = 'import importlib.util as u; raise SystemExit(u.find_spec("tensorflow") is None)';
  try {
    if (python !== undefined && python !== '') execFileSync(python, ['-c', probe], { stdio: 'ignore' });
    return python !== undefined && python !== '';
  } catch {
    return false;
  }
});

/** An empty directory of ours, while a test runs. */
async function inHome(work: (home: string) => Promise<void>): Promise<void> {
  const before = process.env['TWA_HOME'];
  const home = path.join(temporaryDirectory(), 'home');
  process.env['TWA_HOME'] = home;
  try {
    await work(home);
  } finally {
    if (before === undefined) delete process.env['TWA_HOME'];
    else process.env['TWA_HOME'] = before;
  }
}

const look = (python?: string): Promise<Survey> => takeSurvey({ directory: temporaryDirectory(), python });
const named = (survey: Survey, name: Route['name']): Route =>
  planSetup(survey).routes.find((each) => each.name === name)!;
const hooks = (
  signal = new AbortController().signal,
  onProgress: (message: string) => void = () => undefined,
) => ({
  signal,
  onProgress: (_: number, message: string) => onProgress(message),
  onLog: () => undefined,
});

/** In npm's place: a script of Node's that is given npm's arguments. */
function withNpm(survey: Survey, script: string): Survey {
  return {
    ...survey,
    npm: [process.execPath, writeText(path.join(temporaryDirectory(), 'npm.mjs'), script)],
  };
}

/** Copies the package that the tests have, as npm would bring it. */
const COPY_WEBGPU = `
import { cpSync } from 'node:fs';
const folder = process.argv[process.argv.indexOf('--prefix') + 1] + '/node_modules/';
for (const name of ['webgpu', 'debug', 'ms']) cpSync('${process.cwd()}/node_modules/' + name, folder + name, { recursive: true });
`;

describe('Set Up GPU', () => {
  test(
    'WebGPU is installed, examined and then found; taking it back leaves nothing',
    { skip: vulkan ? false : NO_VULKAN },
    () =>
      inHome(async (home) => {
        const survey = withNpm(await look(), COPY_WEBGPU);
        const messages: string[] = [];
        const report = await install(
          named(survey, 'webgpu'),
          survey,
          hooks(undefined, (text) => messages.push(text)),
        );
        assert.deepEqual([report.name, report.usable, report.gpu], ['webgpu', true, false]);
        assert.match(report.detail, /swiftshader.*computed by the processor/i);
        assert.deepEqual(messages.slice(0, 2), ['Downloading webgpu', 'Checking gradients']);
        assert.deepEqual(readdirSync(home), ['webgpu'], 'nothing else is left');
        const binaries = readdirSync(path.join(home, 'webgpu/node_modules/webgpu/dist'));
        assert.deepEqual(binaries, [`${process.platform}-${process.arch}`]);
        const record = JSON.parse(readFileSync(path.join(home, 'webgpu/setup.json'), 'utf8')) as object;
        assert.deepEqual(record, { route: 'webgpu', detail: report.detail, libraries: [] });

        const { devices } = await runJob('devices', {}, { cwd: temporaryDirectory() });
        const found = devices.find(({ name }) => name === 'webgpu');
        assert.match(found!.reason!, /slower than wasm; asked for by name, it is used/);
        assert.equal(await uninstall('webgpu'), true);
        assert.equal(await uninstall('webgpu'), false);
        assert.deepEqual(readdirSync(home), []);
      }),
  );

  test('what fails says why and leaves nothing', () =>
    inHome(async (home) => {
      const script = "console.error('npm error code ENOTFOUND'); process.exit(1);";
      const survey = withNpm(await look(), script);
      await assert.rejects(install(named(survey, 'webgpu'), survey, hooks()), (error) => {
        assert.ok(error instanceof TwaError);
        assert.equal(error.code, 'no-backend');
        assert.match(error.message, /npm could not install what is needed: npm error code ENOTFOUND/);
        return true;
      });
      assert.deepEqual(readdirSync(home), []);
    }));

  test('what does not compute is not kept, and what worked before stays', () =>
    inHome(async (home) => {
      writeText(path.join(home, 'webgpu/mark'), 'before');
      const broken =
        COPY_WEBGPU +
        "\nimport { writeFileSync } from 'node:fs'; writeFileSync(folder + 'webgpu/index.js', 'throw new Error(\"broken\")');";
      const survey = withNpm(await look(), broken);
      await assert.rejects(
        install(named(survey, 'webgpu'), survey, hooks()),
        /does not work, and was removed.*broken/,
      );
      assert.deepEqual(readdirSync(home), ['webgpu']);
      assert.equal(readFileSync(path.join(home, 'webgpu/mark'), 'utf8'), 'before');
    }));

  test('a cancel ends what runs and leaves nothing', () =>
    inHome(async (home) => {
      const pid = path.join(temporaryDirectory(), 'pid');
      const script = `import { writeFileSync } from 'node:fs'; writeFileSync(${JSON.stringify(pid)}, String(process.pid)); setInterval(() => {}, 1000);`;
      const survey = withNpm(await look(), script);
      const controller = new AbortController();
      const done = install(named(survey, 'webgpu'), survey, hooks(controller.signal));
      while (!existsSync(pid) || readFileSync(pid, 'utf8') === '')
        await new Promise((next) => setTimeout(next, 50));
      controller.abort();
      await assert.rejects(done, (error) => error instanceof TwaError && error.code === 'cancelled');
      assert.deepEqual(readdirSync(home), []);
      assert.throws(() => process.kill(Number(readFileSync(pid, 'utf8')), 0), 'the program still runs');
    }));

  test(
    'TensorFlow of a Python: built, examined, taken by auto',
    { skip: PYTHON === undefined ? 'no Python with TensorFlow: name one in TWA_TENSORFLOW_PYTHON' : false },
    () =>
      inHome(async (home) => {
        const survey = await look(PYTHON);
        const wheel = named(survey, 'wheel');
        assert.equal(wheel.blocked, undefined);
        const report = await install(wheel, survey, hooks());
        assert.match(report.detail, /^TensorFlow \d+\.\d+\.\d+ through @tensorflow\/tfjs-node/);
        assert.deepEqual(readdirSync(home), ['wheel']);
        const { chosen } = await runJob('devices', {}, { cwd: temporaryDirectory() });
        assert.equal(chosen, 'tensorflow');
      }),
  );
});
