/** Two projects as people have them, from opening the folder to merged weights on disk and the result on the screen. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { cp, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { AverageReport } from '../../src/core/averaging/types.ts';
import { Workbench } from './workbench.ts';

const root = path.resolve(import.meta.dirname, '../..');
const fixtures = path.join(root, 'test/fixtures/journeys');
const REPORT = '.report h1';
/** An interpreter that imports torch. */
const python = process.env['TWA_PYTHON'];

describe(
  'A PyTorch project with .pt files and TensorBoard logs',
  { skip: python === undefined && 'there is no PyTorch here' },
  () => {
    let folder: string;
    let project: string;
    let workbench: Workbench;

    before(async () => {
      folder = await mkdtemp(path.join(tmpdir(), 'twa-e2e-'));
      project = path.join(folder, 'pytorch-digits');
      await mkdir(project);
      for (const name of ['digits.py', 'task.py', 'train.py', 'twa.json']) {
        await cp(path.join(root, 'examples/pytorch-digits', name), path.join(project, name));
      }
      await cp(path.join(root, 'examples/digits/data'), path.join(folder, 'digits/data'), {
        recursive: true,
      });
      await cp(path.join(fixtures, 'pytorch/runs'), path.join(project, 'runs'), { recursive: true });
      workbench = await Workbench.open(project, { settings: { 'twa.pythonPath': python } });
    });
    after(async () => {
      await workbench.close();
      await rm(folder, { recursive: true, maxRetries: 5 });
    });

    test('its checkpoints stand there with the accuracies of TensorBoard', () =>
      workbench.watched('pytorch-runs', async () => {
        await workbench.showView('Training');
        await workbench.rows(/^Checkpoint epoch-006.*val\/accuracy/).waitFor();
        assert.equal(await workbench.rows(/^Checkpoint /).count(), 6);
        await workbench.screenshot('13-pytorch-runs');
      }));

    test('TWA trains in its own PyTorch, and its accuracy is what PyTorch measures in the file', () =>
      workbench.watched('pytorch-twa', async () => {
        await workbench.chooseFromMenu(workbench.rows(/^Run /), 'Select All');
        await workbench.sideBar
          .getByText(/6 checked/i)
          .first()
          .waitFor();
        await workbench.pressForPicks(workbench.sideBar.getByRole('tree'), 'Control+Enter');
        await workbench.pick('TWA, free coefficients');
        await workbench.pick('Start Averaging');
        const result = await workbench.webview(REPORT);
        assert.match((await result.locator('.comparison').textContent()) ?? '', /TWA/);
        await workbench.screenshot('14-pytorch-result');
        await workbench.rows(/^Average twa-iclr-1/).waitFor();

        const output = path.join(project, 'runs/seed-1/averages/twa-iclr-1.pt');
        const report = JSON.parse(
          readFileSync(output.replace('.pt', '.twa-report.json'), 'utf8'),
        ) as AverageReport;
        const row = report.table.find(({ id }) => id === 'twa');
        const measured = execFileSync(python!, ['-c', MEASURE, output], { cwd: project, encoding: 'utf8' });
        // float32 on both sides: the same examples are right.
        assert.ok(Math.abs(Number(measured) - row!.metric) < 1e-6, `${measured} for ${row!.metric}`);
      }));
  },
);

/** As a user would use the file. */
const MEASURE = `
import sys, torch
from digits import Net, load_split
model = Net()
model.load_state_dict(torch.load(sys.argv[1], weights_only=True)["model"])
model.eval()
images, digits = load_split("test")
with torch.no_grad():
    print((model(images).argmax(-1) == digits).float().mean().item())
`;

describe('The output of a Hugging Face Trainer', () => {
  let project: string;
  let workbench: Workbench;
  const outputs = () => path.join(project, 'outputs');

  before(async () => {
    project = await mkdtemp(path.join(tmpdir(), 'twa-e2e-'));
    await cp(path.join(fixtures, 'huggingface'), project, { recursive: true });
    workbench = await Workbench.open(project);
  });
  after(async () => {
    await workbench.close();
    await rm(project, { recursive: true, maxRetries: 5 });
  });

  test('its checkpoints stand there with the losses of trainer_state.json', () =>
    workbench.watched('huggingface-runs', async () => {
      await workbench.showView('Training');
      await workbench.rows(/^Checkpoint checkpoint-32.*eval_(loss|accuracy)/).waitFor();
      assert.equal(await workbench.rows(/^Checkpoint checkpoint-/).count(), 4);
      await workbench.screenshot('15-huggingface-runs');
    }));

  test('the newest three become one directory that from_pretrained can open', () =>
    workbench.watched('huggingface-average', async () => {
      await workbench.chooseFromMenu(workbench.rows(/^Run /), 'Select Last N…');
      const count = workbench.page.locator('.quick-input-widget:visible input').first();
      await count.fill('3');
      await count.press('Enter');
      await workbench.sideBar
        .getByText(/3 checked/i)
        .first()
        .waitFor();
      await workbench.chooseFromMenu(workbench.rows(/^Checkpoint checkpoint-24/), 'Average Uniformly (SWA)');
      await workbench.webview(REPORT);
      await workbench.rows(/^Average uniform-1/).waitFor();
      assert.equal(await workbench.rows(/^Run /).count(), 1, 'the average is no run of its own');
      await workbench.screenshot('16-huggingface-result');

      const merged = path.join(outputs(), 'averages/uniform-1');
      const sources = [16, 24, 32].map((step) => path.join(outputs(), `checkpoint-${step}`));
      for (const name of ['config.json', 'model.safetensors']) {
        assert.ok(existsSync(path.join(merged, name)), `${name} in ${readdirSync(merged).join()}`);
      }
      const means = sources.map((source) => tensorsOf(path.join(source, 'model.safetensors')));
      for (const [name, values] of tensorsOf(path.join(merged, 'model.safetensors'))) {
        for (const [j, value] of values.entries()) {
          const mean = means.reduce((sum, tensors) => sum + tensors.get(name)![j]!, 0) / 3;
          // Rounded once to float32: at most half a unit in the last place, and a little of float64.
          const most = 1.001 * 2 ** -24 * Math.abs(mean);
          assert.ok(Math.abs(value - mean) <= most, `${name}[${j}]: ${value} for ${mean}`);
        }
      }
    }));
});

/** The float32 tensors of a file, by nothing but this test. */
function tensorsOf(file: string): ReadonlyMap<string, Float32Array> {
  const bytes = readFileSync(file);
  const start = 8 + Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString('utf8', 8, start)) as Record<
    string,
    { dtype: string; data_offsets: [number, number] }
  >;
  return new Map(
    Object.entries(header)
      .filter(([, { dtype }]) => dtype === 'F32')
      .map(
        ([
          name,
          {
            data_offsets: [from, to],
          },
        ]) => [name, new Float32Array(new Uint8Array(bytes.subarray(start + from, start + to)).buffer)],
      ),
  );
}
