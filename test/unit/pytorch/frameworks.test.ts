/** Tasks of a few lines around models that transformers and Lightning built themselves, on checkpoints they wrote. */
import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { skipWithout } from '../checkpoints/python.ts';
import { checkpoints, onlyDocument, twa } from '../cli/cli.ts';
import { python, skip } from './python.ts';

interface Report {
  readonly coefficients: readonly number[];
  readonly table: readonly { readonly id: string; readonly metric: number; readonly loss: number }[];
}

/** Three real checkpoints averaged with a task; the report of what was written. */
async function averaged(
  t: TestContext,
  sources: readonly string[],
  out: string,
  task: string,
): Promise<Report> {
  const directory = await mkdtemp(path.join(tmpdir(), 'twa-frameworks-'));
  t.after(() => rm(directory, { recursive: true, force: true, maxRetries: 3 }));
  await writeFile(path.join(directory, 'task.py'), task);
  const metric = { name: 'accuracy', goal: 'maximize' };
  const file = path.join(directory, 'twa.json');
  await writeFile(file, JSON.stringify({ engine: 'pytorch', module: './task.py', metric }));
  const args = ['--task', file, '--out', path.join(directory, out), '--epochs', '2', '--python', python!];
  const outcome = await twa(['average', ...sources, ...args, '--json']);
  assert.equal(outcome.code, 0, outcome.stderr);
  assert.ok((await readdir(directory)).includes(out));
  return onlyDocument(outcome) as unknown as Report;
}

function fitted({ coefficients, table }: Report): void {
  assert.equal(coefficients.length, 3);
  for (const id of ['uniform', 'twa']) {
    const row = table.find((each) => each.id === id);
    assert.ok(row !== undefined && Number.isFinite(row.loss) && row.metric >= 0 && row.metric <= 1, id);
  }
}

const HUGGING_FACE = `import torch
from transformers import AutoModelForSequenceClassification as Auto

def model(checkpoint):
    return Auto.from_pretrained(checkpoint)

def data(split):
    ids = torch.randint(0, 12, (96, 8), generator=torch.Generator().manual_seed(len(split)))
    return {"input_ids": ids, "labels": (ids[:, 0] > 5).long()}

def metrics(model, batch):
    return {"accuracy": (model(**batch).logits.argmax(-1) == batch["labels"]).float()}
`;

test(
  'a Hugging Face model gives its own loss',
  skip === false ? skipWithout(['transformers', 'torch'], python) : { skip },
  async (t) => {
    const sources = [2, 4, 6].map((step) => path.join(checkpoints, `huggingface/checkpoint-${step}`));
    fitted(await averaged(t, sources, 'twa', HUGGING_FACE));
  },
);

const LIGHTNING = `import sys
import torch
sys.path.insert(0, ${JSON.stringify(path.join(checkpoints, 'torch'))})
from make_lightning import Net

class Module(Net):
    def validation_step(self, batch, _):
        x, y = batch
        self.log("accuracy", (self.head(self.body(x)).argmax(-1) == y).float().mean())

def model():
    return Module()

def data(split):
    x = torch.randn(96, 3, generator=torch.Generator().manual_seed(len(split)))
    return x, (x[:, 0] > 0).long()
`;

test(
  'a Lightning module gives its loss and its metrics',
  skip === false ? skipWithout(['lightning', 'torch'], python) : { skip },
  async (t) => {
    const names = ['epoch=0-step=4.ckpt', 'epoch=1-step=8.ckpt', 'epoch=2-step=12.ckpt'];
    const sources = names.map((name) => path.join(checkpoints, 'torch/lightning', name));
    fitted(await averaged(t, sources, 'twa.ckpt', LIGHTNING));
  },
);
