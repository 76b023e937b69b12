import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  homeOf,
  lonePairs,
  newestTrainerStates,
  runNames,
  watchedFolderOf,
} from '../../../src/core/runs/layout.ts';

test('a checkpoint or log belongs to its directory, less the sub-folders trainers use', () => {
  const cases = [
    ['/w/a/epoch-001.safetensors', '/w/a'],
    ['/w/a/checkpoints/epoch-001.safetensors', '/w/a'],
    ['/w/a/Checkpoints/epoch-001.safetensors', '/w/a'],
    ['/w/a/logs/metrics.csv', '/w/a'],
    ['/w/a/averages/twa-1.safetensors', '/w/a'],
    ['/w/a/checkpoints/averages/twa-1.safetensors', '/w/a'],
    ['/w/a/checkpoint-500/model.safetensors', '/w/a'],
    ['/w/a/epoch-001', '/w/a'],
    ['/w/a/global_step500/model.safetensors', '/w/a'],
    ['/w/lightning_logs/version_0/checkpoints/e.ckpt', '/w/lightning_logs/version_0'],
    ['/w/checkpointing-study/a.safetensors', '/w/checkpointing-study'],
    ['/w/epochs-study/a.safetensors', '/w/epochs-study'],
    ['/w/checkpoints/a.safetensors', '/w'],
    ['/w/a.safetensors', '/w'],
  ];
  for (const [path, home] of cases) assert.equal(homeOf(path!, '/w'), home, path);
});

test('a watched folder is never left upwards', () => {
  assert.equal(homeOf('/w/a/checkpoints/e.safetensors', '/w/a/checkpoints'), '/w/a/checkpoints');
  assert.equal(watchedFolderOf('/w/a/b', ['/w', '/w/a', '/x']), '/w/a');
  assert.equal(watchedFolderOf('/wide/b', ['/w']), undefined);
  assert.equal(watchedFolderOf('/b', ['/']), '/');
});

test('one directory with only logs and one inside it with only checkpoints are one run', () => {
  const pairs = (checkpoints: string[], logs: string[]): Record<string, string> =>
    Object.fromEntries(lonePairs(new Set(checkpoints), new Set(logs)));
  assert.deepEqual(pairs(['/w/a/my-weights'], ['/w/a']), { '/w/a/my-weights': '/w/a' });
  assert.deepEqual(pairs(['/w/a'], ['/w/a/my-logs']), { '/w/a/my-logs': '/w/a' });
  // Several to choose from, or logs of their own: nothing is guessed.
  assert.deepEqual(pairs(['/w/a', '/w/b'], ['/w']), {});
  assert.deepEqual(pairs(['/w/a'], ['/w', '/w/a']), {});
  assert.deepEqual(pairs(['/w', '/w/a'], ['/w']), {});
  assert.deepEqual(pairs(['/w/a/b/c'], ['/w/a']), {});
});

test('of a run its newest trainer state counts', () => {
  const logs = ['/r/checkpoint-900/t', '/r/checkpoint-1000/t', '/q/checkpoint-5/t', '/r/metrics.csv'];
  const newest = (all: string[]): string[] =>
    newestTrainerStates(
      all,
      (path) => path.endsWith('/t'),
      (path) => path.slice(0, 2),
    );
  assert.deepEqual(newest(logs), ['/r/checkpoint-1000/t', '/q/checkpoint-5/t', '/r/metrics.csv']);
  // The one that is saved at the end, beside the checkpoints.
  assert.deepEqual(newest([...logs, '/r/t']), ['/q/checkpoint-5/t', '/r/metrics.csv', '/r/t']);
});

test('names of runs are short and unique', () => {
  const names = (directories: string[], folders: string[]): string[] => [
    ...runNames(directories, folders).values(),
  ];
  assert.deepEqual(names(['/w/a', '/w/b/c', '/w'], ['/w']), ['a', 'b/c', 'w']);
  assert.deepEqual(names(['/w/a', '/v/a', '/v/b'], ['/w', '/v']), ['w/a', 'v/a', 'b']);
  assert.deepEqual(names(['/1/w/a', '/2/w/a'], ['/1/w', '/2/w']), ['/1/w/a', '/2/w/a']);
});
