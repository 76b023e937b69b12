/** The first version of a PyTorch task, for somebody to fill in: what the checkpoint tells is in it already. */
import { basename } from 'node:path';
import type { CheckpointHeader, TensorInfo } from '../checkpoints/types.ts';
import { TASK_FILE_NAME } from './find.ts';

export const PYTORCH_MODULE_NAME = 'task.py';

/** Tensors named in the text at most: enough to recognise the model by. */
const SHOWN = 40;

/**
 * Whether a checkpoint is PyTorch's: by its format, or by the names of its tensors, which in a safetensors file are
 * those of a `torch.nn.Module` more often than not.
 */
export function isPytorch({ format, tensors }: CheckpointHeader): boolean {
  if (format === 'torch') return true;
  if (format !== 'safetensors' && format !== 'safetensors-directory') return false;
  return tensors.some(({ name }) => /\.(?:weight|bias|running_mean|lora_A\.\w+)$/.test(name));
}

export function pytorchTaskFile(): string {
  return `{
  // How to compute the loss of this model, in your own Python: see ${PYTORCH_MODULE_NAME}.
  "engine": "pytorch",
  "module": "./${PYTORCH_MODULE_NAME}",
  // A name that metrics() gives, and which way is better.
  "metric": { "name": "accuracy", "goal": "maximize" },
  // Examples at once in evaluation.
  "batchSize": 256,
}
`;
}

export function pytorchModule(header: CheckpointHeader): string {
  const weights = header.tensors.filter(({ aliasOf }) => aliasOf === undefined);
  const shown = weights.slice(0, SHOWN).map(describe);
  const more = weights.length > SHOWN ? [`... and ${weights.length - SHOWN} more`] : [];
  return `"""How to compute the loss of this model: see ${TASK_FILE_NAME} beside this file.

Fill in model() and data(); loss() and metrics() are those of a classifier. Hugging Face models with labels in their
batches, and Lightning modules, need no loss(), and Lightning modules no metrics().
"""

import torch
import torch.nn.functional as F


def model():
    """The model of ${quoted(basename(header.path))}; its weights do not matter. They are:

${[...shown, ...more].map((line) => `    ${line}`).join('\n')}
    """
    # from my_project import Net
    # return Net()
    raise NotImplementedError("${PYTORCH_MODULE_NAME}: build the model")


def data(split):
    """The examples of "train", "validation" or "test": a tuple or dict of tensors, a Dataset or a DataLoader.

    None for "test" where there is none. Without augmentation, if the results are to be the same every time.
    """
    raise NotImplementedError(f"${PYTORCH_MODULE_NAME}: load the {split} examples")


def loss(model, batch):
    """The loss of a batch: one number per example, or their mean."""
    inputs, targets = batch
    return F.cross_entropy(model(inputs), targets, reduction="none")


def metrics(model, batch):
    """Metrics of a batch by name: one number per example, or their mean."""
    inputs, targets = batch
    return {"accuracy": (model(inputs).argmax(-1) == targets).float()}


# For files whose weights need unwrapping:
# def load(path):
#     return torch.load(path, map_location="cpu", weights_only=True)["ema"]
`;
}

function describe({ name, dtype, shape }: TensorInfo): string {
  return `${quoted(name)} ${dtype} [${shape.join(', ')}]`;
}

/** Names come out of files: nothing in them may end the text that they stand in. */
function quoted(text: string): string {
  return text.replaceAll(/["\\\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, '?');
}
