import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { configAnchor, isTrainingConfig, readTrainingConfig } from '../../../src/core/runs/configs.ts';
import { runNamed, safetensors, temporaryDirectory, watching } from './helpers.ts';

const MLFLOW = '/mlruns/0/0123456789abcdef0123456789abcdef';

test('configurations by name', () => {
  for (const path of [
    '/r/args.yaml',
    '/r/hparams.yaml',
    '/r/config.json',
    `${MLFLOW}/meta.yaml`,
    `${MLFLOW}/params/epochs`,
  ]) {
    assert.ok(isTrainingConfig(path), path);
  }
  for (const path of ['/r/epochs', '/r/params/epochs', `${MLFLOW}/params/lr`, '/r/data.yaml']) {
    assert.ok(!isTrainingConfig(path), path);
  }
  assert.equal(configAnchor(`${MLFLOW}/params/epochs`), `${MLFLOW}/params`);
  assert.equal(configAnchor('/r/dvclive/params.yaml'), '/r/dvclive');
  assert.equal(configAnchor('/r/args.yaml'), '/r/args.yaml');
});

test('the length of a training, as trainers write it; what is not clear says nothing', async (t) => {
  const directory = await temporaryDirectory(t);
  const facts = async (name: string, text: string) => {
    const path = join(directory, name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, text);
    return readTrainingConfig(path);
  };
  // Ultralytics, Lightning (save_hyperparameters), Hydra; JSON on one line and on several.
  assert.deepEqual(await facts('args.yaml', 'task: detect\nepochs: 100\npatience: 50\n'), {
    plan: { epochs: 100 },
  });
  assert.deepEqual(await facts('hparams.yaml', 'trainer:\n  max_epochs: 12 # short\n  max_steps: -1\n'), {
    plan: { epochs: 12 },
  });
  assert.deepEqual(await facts('config.json', '{"lr": 0.1, "max_steps": 5000}'), { plan: { steps: 5000 } });
  assert.deepEqual(await facts('args.json', '{\n  "num_epochs": 3,\n  "name": "epochs: 9x"\n}\n'), {
    plan: { epochs: 3 },
  });
  assert.deepEqual(await facts('params.yaml', 'pretrain:\n  epochs: 5\nfinetune:\n  epochs: 9\n'), {
    plan: {},
  });
  assert.deepEqual(await facts('config.yaml', 'warmup_epochs: 3\nepochs: 1.5\nname: "epochs"\n'), {
    plan: {},
  });
  assert.deepEqual(await facts(`${MLFLOW}/params/max_epochs`.slice(1), '40'), { plan: { epochs: 40 } });
  const meta = (status: number) =>
    facts(`${MLFLOW}/meta.yaml`.slice(1), `lifecycle_stage: active\nstatus: ${status}\n`);
  assert.deepEqual(await meta(3), { plan: {}, outcome: 'finished' });
  assert.deepEqual(await meta(4), { plan: {}, outcome: 'failed' });
  assert.deepEqual(await meta(1), { plan: {} }, 'running');
  assert.deepEqual(await readTrainingConfig(join(directory, 'none.yaml')), {});
});

test('a run knows its plan from the file beside its log, and follows its changes', async (t) => {
  const directory = await temporaryDirectory(t);
  const run = join(directory, 'yolo');
  await mkdir(join(run, 'weights'), { recursive: true });
  await writeFile(join(run, 'weights', 'epoch1.safetensors'), safetensors({ epoch: '1' }));
  await writeFile(join(run, 'results.csv'), 'epoch,val/loss\n1,0.5\n');
  await writeFile(join(run, 'args.yaml'), 'epochs: 20\n');
  const runs = watching(t, [directory]);
  const first = await runs.until('the plan', (now) => runNamed(now, 'yolo')?.training.plan !== undefined);
  const known = runNamed(first, 'yolo')!;
  assert.deepEqual(known.training.plan, { epochs: 20 });
  assert.equal(known.training.activeMs, known.mtimeMs);
  await writeFile(join(run, 'args.yaml'), 'epochs: 300\n');
  await runs.until('the new plan', (now) => runNamed(now, 'yolo')?.training.plan?.epochs === 300);
});
