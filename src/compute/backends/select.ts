/** Which backend computes: probing, the order of preference, and the reasons for passing over the others. */
import { TwaError, throwIfAborted } from '../../core/errors.ts';
import type { BackendChoice, BackendName, DeviceReport, DevicesResult } from '../protocol.ts';
import { tf } from '../tf.ts';
import { cpu } from './cpu.ts';
import { selfTest } from './self-test.ts';
import { tensorflow, usesGpu } from './tensorflow.ts';
import { Unavailable } from './types.ts';
import type { Backend } from './types.ts';
import { wasm } from './wasm.ts';
import { webgpu } from './webgpu.ts';

const backends: Readonly<Record<BackendName, Backend>> = { tensorflow, webgpu, wasm, cpu };

interface Probe {
  readonly report: DeviceReport;
  readonly gpu: boolean;
}

export interface Selected {
  readonly name: BackendName;
  /** "wasm (1 thread, SIMD)". */
  readonly label: string;
  /** Those that were tried before and are not used. */
  readonly passedOver: readonly DeviceReport[];
}

/** Starts a backend and examines it. It is tfjs's current backend afterwards if it is usable. */
async function probe(backend: Backend, roots: readonly string[]): Promise<Probe> {
  const { name } = backend;
  let detail = '';
  try {
    detail = await backend.start(roots);
    const selfTestMs = Math.round(await selfTest());
    const gpu = name === 'webgpu' || (name === 'tensorflow' && usesGpu());
    return { report: { name, usable: true, detail, selfTestMs }, gpu };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const reason =
      error instanceof Unavailable
        ? message
        : `${detail === '' ? 'It does not start' : 'Self-test failed'}: ${message}`;
    return { report: { name, usable: false, detail, reason }, gpu: false };
  }
}

/**
 * Makes the best usable backend current: TensorFlow on a GPU, WebGPU on a real adapter, TensorFlow on the CPU,
 * wasm; or exactly the one asked for. The one that is taken has passed the self-test.
 *
 * @param roots Directories whose node_modules may hold optional packages, nearest first.
 */
export async function selectBackend(
  choice: BackendChoice,
  roots: readonly string[],
  signal?: AbortSignal,
): Promise<Selected> {
  if (choice !== 'auto') {
    const { report } = await probe(backends[choice], roots);
    if (!report.usable) {
      throw new TwaError('no-backend', `The backend "${choice}" cannot be used here. ${report.reason ?? ''}`);
    }
    return { name: choice, label: label(report), passedOver: [] };
  }
  const probes: Probe[] = [];
  for (const name of ['tensorflow', 'webgpu', 'wasm'] as const) {
    throwIfAborted(signal);
    probes.push(await probe(backends[name], roots));
    if (probes.at(-1)!.gpu) break;
    // Nothing that comes after WebGPU beats TensorFlow on the CPU.
    if (name === 'webgpu' && probes[0]!.report.usable) break;
  }
  const chosen = preferred(probes);
  const reports = probes.map(({ report }) => report);
  if (chosen === undefined) {
    throw new TwaError('no-backend', 'No compute backend works on this machine: see the details for each.', {
      details: reports.map(({ name, reason }) => `${name}: ${reason ?? ''}`),
    });
  }
  await tf.setBackend(chosen.name);
  return {
    name: chosen.name,
    label: label(chosen),
    passedOver: reports.filter((report) => report !== chosen),
  };
}

/** Every backend with what it runs on or why it cannot be used. Leaves the chosen one current. */
export async function listDevices(roots: readonly string[], signal?: AbortSignal): Promise<DevicesResult> {
  const probes: Probe[] = [];
  for (const backend of Object.values(backends)) {
    throwIfAborted(signal);
    probes.push(await probe(backend, roots));
  }
  const chosen = preferred(probes)?.name;
  if (chosen !== undefined) await tf.setBackend(chosen);
  return { chosen, devices: probes.map(({ report }) => report) };
}

function preferred(probes: readonly Probe[]): DeviceReport | undefined {
  const usable = (name: BackendName, gpu: boolean) =>
    probes.find(({ report, gpu: onGpu }) => report.usable && report.name === name && (!gpu || onGpu))?.report;
  return (
    usable('tensorflow', true) ??
    usable('webgpu', true) ??
    usable('tensorflow', false) ??
    usable('wasm', false)
  );
}

function label({ name, detail }: DeviceReport): string {
  return `${name} (${detail})`;
}
