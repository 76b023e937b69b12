/**
 * WebGPU through Dawn's Node binding (`webgpu` on npm), found in the user's project. This version only looks what is
 * there: training on it needs tfjs's WebGPU kernels, which are not part of it yet. A software adapter
 * (SwiftShader, lavapipe) is several times slower than wasm and therefore never a candidate.
 */
import { createRequire } from 'node:module';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { Unavailable } from './types.ts';
import type { Backend } from './types.ts';

interface AdapterInfo {
  readonly vendor?: string;
  readonly architecture?: string;
  readonly description?: string;
  readonly isFallbackAdapter?: boolean;
}

export const webgpu: Backend = {
  name: 'webgpu',
  async start(roots) {
    const file = resolveFrom(roots);
    if (file === undefined) throw new Unavailable('The package `webgpu` is not installed.');
    const info = await adapterInfo(file);
    if (info === undefined)
      throw new Unavailable('The package `webgpu` finds no graphics adapter on this machine.');
    const name = [info.description, info.vendor, info.architecture].find(
      (text) => text !== undefined && text !== '',
    );
    if (isSoftware(info)) {
      throw new Unavailable(
        `The only adapter is ${name ?? 'a software one'}, computed on the CPU and slower than wasm.`,
      );
    }
    throw new Unavailable(
      `There is an adapter (${name ?? 'unnamed'}), but this version cannot train on WebGPU yet.`,
    );
  },
};

function resolveFrom(roots: readonly string[]): string | undefined {
  for (const root of roots) {
    try {
      return createRequire(path.join(root, 'noop.js')).resolve('webgpu');
    } catch {
      // Not under this root.
    }
  }
  return undefined;
}

async function adapterInfo(file: string): Promise<AdapterInfo | undefined> {
  try {
    const dawn = (await import(pathToFileURL(file).href)) as {
      create(flags: readonly string[]): {
        requestAdapter(options: object): Promise<{ readonly info: AdapterInfo } | null>;
      };
    };
    const adapter = await dawn.create([]).requestAdapter({ powerPreference: 'high-performance' });
    return adapter?.info;
  } catch (error) {
    throw new Unavailable(
      `The package \`webgpu\` does not load: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}

function isSoftware(info: AdapterInfo): boolean {
  const text = `${info.description ?? ''} ${info.architecture ?? ''}`;
  return info.isFallbackAdapter === true || /swiftshader|llvmpipe|lavapipe|software/i.test(text);
}
