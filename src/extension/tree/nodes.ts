import type { ArrangedRun } from './arrangement.ts';

/**
 * What stands in the tree, by identity alone: VS Code remembers these objects across refreshes, so they hold no data
 * that could go stale. The data is looked up in the newest `RunIndex`.
 */
export type Node = RunNode | CheckpointNode;

/** A job of the queue, above the runs as long as it works or waits. */
export interface JobNode {
  readonly kind: 'job';
  readonly id: number;
}

export type TreeNode = Node | JobNode;

export interface RunNode {
  readonly kind: 'run';
  readonly directory: string;
}

/** A checkpoint, or an average. */
export interface CheckpointNode {
  readonly kind: 'checkpoint';
  readonly run: RunNode;
  readonly path: string;
}

export function nodeId(node: TreeNode): string {
  switch (node.kind) {
    case 'run':
      return `run:${node.directory}`;
    case 'checkpoint':
      return `checkpoint:${node.path}`;
    case 'job':
      return `job:${node.id}`;
  }
}

/** Gives the same object for the same run, checkpoint or job, always. */
export class NodeCache {
  readonly #nodes = new Map<string, TreeNode>();

  run(directory: string): RunNode {
    return this.#once({ kind: 'run', directory });
  }

  checkpoint(run: RunNode, path: string): CheckpointNode {
    return this.#once({ kind: 'checkpoint', run, path });
  }

  job(id: number): JobNode {
    return this.#once({ kind: 'job', id });
  }

  children({ run, entries }: ArrangedRun): readonly CheckpointNode[] {
    const parent = this.run(run.directory);
    return entries.map((entry) => this.checkpoint(parent, entry.path));
  }

  #once<N extends TreeNode>(node: N): N {
    const id = nodeId(node);
    // An id begins with the node's kind, so what is kept under it has the same type.
    const known = this.#nodes.get(id) as N | undefined;
    if (known !== undefined) return known;
    this.#nodes.set(id, node);
    return node;
  }
}

/** A command's argument that came from the tree. */
export function isNode(value: unknown): value is Node {
  if (typeof value !== 'object' || value === null || !('kind' in value)) return false;
  if (value.kind === 'run') return 'directory' in value && typeof value.directory === 'string';
  return value.kind === 'checkpoint' && 'path' in value && typeof value.path === 'string';
}

/** The job that a command was called on in the tree. */
export function isJobNode(value: unknown): value is JobNode {
  return (
    typeof value === 'object' &&
    value !== null &&
    'kind' in value &&
    value.kind === 'job' &&
    'id' in value &&
    typeof value.id === 'number'
  );
}
