/**
 * Trains the digits network as many people train: SGD with momentum at a constant learning rate, a checkpoint per
 * epoch, a log line per step and per epoch. Everything lands in `runs/<name>/`:
 *
 *   epoch-001/model.json + weights.bin   TensorFlow.js LayersModel (or epoch-001.safetensors)
 *   metrics.csv                          epoch, step, train/loss, train/accuracy, val/loss, val/accuracy
 *   steps.jsonl                          {"step", "train/batch_loss", "time"}
 *
 * npm run train -- [--name seed-1] [--seed 1] [--epochs 40] [--learning-rate 0.05] [--format tfjs|safetensors]
 */
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import * as tf from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { startWasm } from '../../src/compute/backends/wasm.ts';
import { digitsModel } from './model.ts';
import { seededRandom, shuffle } from './random.ts';

const { values: options } = parseArgs({
  options: {
    name: { type: 'string' },
    seed: { type: 'string', default: '1' },
    epochs: { type: 'string', default: '40' },
    'learning-rate': { type: 'string', default: '0.05' },
    format: { type: 'string', default: 'tfjs' },
    out: { type: 'string', default: path.join(import.meta.dirname, 'runs') },
    data: { type: 'string', default: path.join(import.meta.dirname, 'data') },
  },
});
const seed = Number(options.seed);
const epochs = Number(options.epochs);
const learningRate = Number(options['learning-rate']);
const batchSize = 32;
const run = path.join(options.out, options.name ?? `seed-${seed}`);

interface Examples {
  readonly pixels: Float32Array;
  readonly digits: Int32Array;
}

function loadExamples(split: 'train' | 'validation'): Examples {
  const text = readFileSync(path.join(options.data, 'digits.csv'), 'utf8');
  const lines = text
    .trim()
    .split('\n')
    .map((line) => line.split(',').map(Number));
  const splits = JSON.parse(readFileSync(path.join(options.data, 'splits.json'), 'utf8')) as Record<
    string,
    number[]
  >;
  const rows = splits[split]!;
  return {
    pixels: Float32Array.from(rows.flatMap((row) => lines[row]!.slice(0, 64).map((pixel) => pixel / 16))),
    digits: Int32Array.from(rows.map((row) => lines[row]![64]!)),
  };
}

/** One batch; in training every image is shifted by up to one pixel each way. */
function makeBatch(examples: Examples, indices: readonly number[], random?: () => number) {
  const pixels = new Float32Array(indices.length * 64);
  indices.forEach((index, at) => {
    const dy = random ? Math.floor(random() * 3) - 1 : 0;
    const dx = random ? Math.floor(random() * 3) - 1 : 0;
    for (let y = 0; y < 8; y++) {
      for (let x = 0; x < 8; x++) {
        const inside = y + dy >= 0 && y + dy < 8 && x + dx >= 0 && x + dx < 8;
        if (inside) pixels[at * 64 + y * 8 + x] = examples.pixels[index * 64 + (y + dy) * 8 + x + dx]!;
      }
    }
  });
  const digits = indices.map((index) => examples.digits[index]!);
  return {
    images: tf.tensor4d(pixels, [indices.length, 8, 8, 1]),
    targets: tf.cast(tf.oneHot(tf.tensor1d(digits, 'int32'), 10), 'float32') as tf.Tensor2D,
  };
}

const crossEntropy = (targets: tf.Tensor2D, logits: tf.Tensor2D): tf.Scalar =>
  tf.neg(tf.mean(tf.sum(tf.mul(targets, tf.logSoftmax(logits)), -1)));

const accuracyOf = (targets: tf.Tensor2D, logits: tf.Tensor2D): tf.Scalar =>
  tf.mean(tf.cast(tf.equal(tf.argMax(targets, -1), tf.argMax(logits, -1)), 'float32'));

function evaluate(model: LayersModel, examples: Examples): { loss: number; accuracy: number } {
  return tf.tidy(() => {
    const { images, targets } = makeBatch(examples, [...examples.digits.keys()]);
    const logits = model.predict(images) as tf.Tensor2D;
    return {
      loss: crossEntropy(targets, logits).dataSync()[0]!,
      accuracy: accuracyOf(targets, logits).dataSync()[0]!,
    };
  });
}

/** Weights first, header last: whoever sees `model.json` can read the whole checkpoint. */
async function saveLayersModel(model: LayersModel, directory: string, metadata: object): Promise<void> {
  await model.save(
    tf.io.withSaveHandler((artifacts) => {
      mkdirSync(directory);
      const data = tf.io.CompositeArrayBuffer.join(artifacts.weightData);
      writeFileSync(path.join(directory, 'weights.bin'), new Uint8Array(data));
      const weightsManifest = [{ paths: ['weights.bin'], weights: artifacts.weightSpecs }];
      const { modelTopology, format, generatedBy, convertedBy } = artifacts;
      writeFileSync(
        path.join(directory, 'model.json'),
        JSON.stringify({
          modelTopology,
          format,
          generatedBy,
          convertedBy,
          weightsManifest,
          userDefinedMetadata: metadata,
        }),
      );
      return Promise.resolve({ modelArtifactsInfo: tf.io.getModelArtifactsInfoForJSON(artifacts) });
    }),
  );
}

/** The safetensors layout: u64 header length, JSON header padded with spaces to 8 bytes, then the bytes. */
function saveSafetensors(model: LayersModel, file: string, metadata: Record<string, string>): void {
  const header: Record<string, unknown> = { __metadata__: metadata };
  const parts: Uint8Array[] = [];
  let offset = 0;
  for (const weight of model.weights) {
    const values = weight.read().dataSync() as Float32Array;
    header[weight.originalName] = {
      dtype: 'F32',
      shape: weight.shape,
      data_offsets: [offset, (offset += values.byteLength)],
    };
    parts.push(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  }
  const json = Buffer.from(JSON.stringify(header));
  const padded = Buffer.concat([json, Buffer.alloc((8 - (json.length % 8)) % 8, ' ')]);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(padded.length));
  writeFileSync(file, Buffer.concat([length, padded, ...parts]));
}

if (existsSync(run)) {
  console.error(`${run} is there already: choose another --name, or move it away.`);
  process.exit(1);
}
mkdirSync(run, { recursive: true });

await startWasm();
const random = seededRandom(seed);
Math.random = seededRandom(seed + 1000); // tfjs draws its dropout masks from here

const train = loadExamples('train');
const validation = loadExamples('validation');
const model = digitsModel(seed);
const optimizer = tf.train.momentum(learningRate, 0.9);
const variables = model.trainableWeights.map((weight) => tf.engine().registeredVariables[weight.name]!);
const csv = path.join(run, 'metrics.csv');
writeFileSync(csv, 'epoch,step,train/loss,train/accuracy,val/loss,val/accuracy\n');

let step = 0;
const order = [...train.digits.keys()];
for (let epoch = 1; epoch <= epochs; epoch++) {
  shuffle(order, random);
  let lossSum = 0;
  let correct = 0;
  for (let start = 0; start < order.length; start += batchSize) {
    const indices = order.slice(start, start + batchSize);
    const [loss, accuracy] = tf.tidy(() => {
      const { images, targets } = makeBatch(train, indices, random);
      let batchAccuracy = NaN;
      const { value, grads } = tf.variableGrads(() => {
        const logits = model.apply(images, { training: true }) as tf.Tensor2D;
        batchAccuracy = accuracyOf(targets, logits).dataSync()[0]!;
        return crossEntropy(targets, logits);
      }, variables);
      optimizer.applyGradients(Object.entries(grads).map(([name, tensor]) => ({ name, tensor })));
      return [value.dataSync()[0]!, batchAccuracy] as const;
    });
    step++;
    lossSum += loss * indices.length;
    correct += accuracy * indices.length;
    appendFileSync(
      path.join(run, 'steps.jsonl'),
      `${JSON.stringify({ step, 'train/batch_loss': loss, time: Date.now() / 1000 })}\n`,
    );
  }
  const seen = evaluate(model, validation);
  const numbers = [lossSum / order.length, correct / order.length, seen.loss, seen.accuracy];
  appendFileSync(csv, `${epoch},${step},${numbers.map((value) => value.toFixed(6)).join(',')}\n`);
  const name = path.join(run, `epoch-${String(epoch).padStart(3, '0')}`);
  if (options.format === 'safetensors') {
    saveSafetensors(model, `${name}.safetensors`, { epoch: String(epoch), step: String(step) });
  } else {
    await saveLayersModel(model, name, { epoch, step });
  }
  console.log(
    `epoch ${epoch}/${epochs}  train loss ${numbers[0]!.toFixed(4)}  val loss ${seen.loss.toFixed(4)}  ` +
      `val accuracy ${(100 * seen.accuracy).toFixed(2)} %`,
  );
}
