/**
 * MLflow's database, `mlflow.db` (SQLite): the table `metrics` has a row per value, of all runs (mlflow/store/tracking/
 * dbmodels/models.py). Series are called `<run>/<metric>`.
 *
 * Read with Node's own module, which Node 20 does not have; where it is missing, that is told.
 */
import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { hasCode } from '../../checkpoints/files.ts';
import { throwIfAborted } from '../../errors.ts';
import { MAX_SERIES, PointCollector } from '../points.ts';
import type { MetricsFormat, MetricsTail, MetricsUpdate } from '../types.ts';

export const mlflowDatabaseFormat: MetricsFormat = {
  id: 'mlflow-db',
  extensions: [],
  candidate: (path) => basename(path) === 'mlflow.db',
  open: (path) => new DatabaseTail(path),
};

/** Rows are never changed, only added, so those after the last one read are the new ones. */
const NEW_ROWS = `
  SELECT m.rowid AS id, coalesce(nullif(r.name, ''), r.run_uuid) AS run, m.key, m.value, m.is_nan AS isNan, m.step, m.timestamp
  FROM metrics AS m JOIN runs AS r ON r.run_uuid = m.run_uuid
  WHERE m.rowid > ? AND r.lifecycle_stage = 'active'
  ORDER BY m.rowid`;

/** A training that writes at this moment is waited for so long, in milliseconds. */
const BUSY_MS = 100;

/** MLflow stores infinities as the largest double. */
const LARGEST = Number.MAX_VALUE;

class DatabaseTail implements MetricsTail {
  readonly path: string;
  #inode: string | undefined;
  #lastRow = 0;
  #points = new PointCollector();

  constructor(path: string) {
    this.path = path;
  }

  async poll(signal?: AbortSignal): Promise<MetricsUpdate> {
    throwIfAborted(signal);
    let inode: string;
    try {
      const { dev, ino } = await stat(this.path);
      inode = `${dev}:${ino}`;
    } catch (error) {
      if (!hasCode(error, 'ENOENT', 'ENOTDIR')) throw error;
      return this.#forget(undefined, []);
    }
    const sqlite = await import('node:sqlite').catch(() => undefined);
    if (sqlite === undefined) {
      return this.#forget(inode, [
        `${this.path} is left out: reading SQLite needs Node 22.13 or newer, and this is ${process.version}.`,
      ]);
    }
    const isNew = this.#inode !== undefined && this.#inode !== inode;
    if (isNew) this.#forget(inode, []);
    this.#inode = inode;
    let database: DatabaseSync | undefined;
    try {
      database = new sqlite.DatabaseSync(this.path, { readOnly: true, timeout: BUSY_MS });
      return this.#read(database, isNew);
    } catch (error) {
      // Nothing was lost: the next change brings what is missing.
      const why = error instanceof Error ? error.message : String(error);
      return {
        reset: isNew,
        points: [],
        warnings: [`${this.path} could not be read as MLflow's database: ${why}.`],
      };
    } finally {
      database?.close();
    }
  }

  #read(database: DatabaseSync, isNew: boolean): MetricsUpdate {
    const { last } = database.prepare('SELECT coalesce(max(rowid), 0) AS last FROM metrics').get() as {
      last: number;
    };
    // Runs were deleted for good, and their rows' numbers may be given again.
    const isShorter = last < this.#lastRow;
    if (isShorter) this.#forget(this.#inode, []);
    for (const row of database.prepare(NEW_ROWS).iterate(this.#lastRow)) this.#addRow(row);
    this.#lastRow = last;
    const warnings = this.#points.overflowed
      ? [`${this.path}: only the first ${MAX_SERIES} series of the database are read.`]
      : [];
    this.#points.overflowed = false;
    return { reset: isNew || isShorter, points: this.#points.take(), warnings };
  }

  #addRow({ run, key, value, isNan, step, timestamp }: Record<string, unknown>): void {
    if (typeof value !== 'number' || typeof step !== 'number') return;
    const number = isNan === 1 ? NaN : Math.abs(value) >= LARGEST ? Math.sign(value) * Infinity : value;
    const time = typeof timestamp === 'number' ? timestamp : NaN;
    this.#points.add(`${String(run)}/${String(key)}`, step, number, NaN, time);
  }

  #forget(inode: string | undefined, warnings: readonly string[]): MetricsUpdate {
    this.#inode = inode;
    this.#lastRow = 0;
    this.#points = new PointCollector();
    return { reset: true, points: [], warnings };
  }
}
