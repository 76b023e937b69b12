/** The part of the extension host that makes messages for the curves page, for a browser that plays the host. */
import { build } from 'esbuild';
import path from 'node:path';

/** A script that puts `CurvesFeed` into the global `curvesHost`. */
export async function hostModules(): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [path.resolve(import.meta.dirname, '../src/extension/panels/curvesFeed.ts')],
    bundle: true,
    write: false,
    format: 'iife',
    globalName: 'curvesHost',
    logLevel: 'warning',
  });
  return outputFiles[0]!.text.replace(/^"use strict";\s*var curvesHost/, 'globalThis.curvesHost');
}
