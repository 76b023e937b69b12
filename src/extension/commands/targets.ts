/** What a command is about, from the arguments that VS Code gives it. */
import { isNode } from '../tree/nodes.ts';
import type { Node } from '../tree/nodes.ts';

/** Something in the tree, or a file or folder anywhere. */
export type Target =
  | { readonly kind: 'run'; readonly directory: string }
  | { readonly kind: 'checkpoint'; readonly path: string }
  | { readonly kind: 'path'; readonly path: string };

/**
 * `(item, items[])` from a tree, `(uri, uris[])` from the Explorer, a path or paths from a program, nothing from the
 * palette. With a multiple selection VS Code gives the clicked one in `second` as well.
 */
export function targetsFrom(first: unknown, second: unknown): readonly Target[] {
  const many = [second, first].find((value) => Array.isArray(value) && value.length > 0);
  const values: readonly unknown[] = Array.isArray(many) ? many : [first];
  return values.flatMap((value) => targetOf(value) ?? []);
}

export function targetOfNode(node: Node): Target {
  return node.kind === 'run'
    ? { kind: 'run', directory: node.directory }
    : { kind: 'checkpoint', path: node.path };
}

export function pathOf(target: Target): string {
  return target.kind === 'run' ? target.directory : target.path;
}

function targetOf(value: unknown): Target | undefined {
  if (isNode(value)) return targetOfNode(value);
  if (typeof value === 'string' && value !== '') return { kind: 'path', path: value };
  if (typeof value !== 'object' || value === null) return undefined;
  // A vscode.Uri. Only files can be read: virtual workspaces are not supported.
  if ('scheme' in value && value.scheme === 'file' && 'fsPath' in value && typeof value.fsPath === 'string') {
    return { kind: 'path', path: value.fsPath };
  }
  return undefined;
}
