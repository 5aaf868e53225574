import { describe, expect, test } from "vitest";
import { hierarchies } from "./cgroup.ts";

const V1 = `12:cpu,cpuacct:/system.slice/node.service
9:pids:/system.slice/node.service
4:memory:/system.slice/node.service
3:cpuset:/
1:name=systemd:/system.slice/node.service
0::/system.slice/node.service
`;
const V1_MOUNTS = `30 25 0:26 / /sys/fs/cgroup/systemd rw,nosuid - cgroup cgroup rw,xattr,name=systemd
31 25 0:27 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:10 - cgroup cgroup rw,cpu,cpuacct
32 25 0:28 / /sys/fs/cgroup/pids rw,nosuid - cgroup cgroup rw,pids
33 25 0:29 / /sys/fs/cgroup/memory rw,nosuid - cgroup cgroup rw,memory
34 25 0:30 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset
35 25 0:31 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
36 25 8:1 / / rw - ext4 /dev/root rw
`;

describe("where groups may be made", () => {
  test("version 1: our own group in the hierarchy of each controller", () => {
    expect(hierarchies(V1, V1_MOUNTS)).toEqual([
      { version: 1, folder: "/sys/fs/cgroup/cpu,cpuacct/system.slice/node.service", controllers: ["cpu"] },
      { version: 1, folder: "/sys/fs/cgroup/pids/system.slice/node.service", controllers: ["pids"] },
      { version: 1, folder: "/sys/fs/cgroup/memory/system.slice/node.service", controllers: ["memory"] },
      {
        version: 2,
        folder: "/sys/fs/cgroup/unified/system.slice/node.service",
        controllers: ["memory", "pids", "cpu"],
      },
    ]);
  });

  test("version 2: one folder for all", () => {
    const mounts = "29 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
    expect(hierarchies("0::/user.slice/session-1.scope\n", mounts)).toEqual([
      { version: 2, folder: "/sys/fs/cgroup/user.slice/session-1.scope", controllers: ["memory", "pids", "cpu"] },
    ]);
  });

  test("a container sees a part of the tree, mounted as the whole", () => {
    const mounts = "29 23 0:26 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n";
    expect(hierarchies("4:memory:/docker/abc/child\n", mounts)).toEqual([
      { version: 1, folder: "/sys/fs/cgroup/memory/child", controllers: ["memory"] },
    ]);
    expect(hierarchies("4:memory:/docker/other\n", mounts)).toEqual([]);
    const whole = "29 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
    expect(hierarchies("0::/../../elsewhere\n", whole)).toEqual([]);
  });

  test("nothing where nothing is mounted, and nonsense is no hierarchy", () => {
    expect(hierarchies("4:memory:/\n0::/\n", "36 25 8:1 / / rw - ext4 /dev/root rw\n")).toEqual([]);
    expect(hierarchies("", "")).toEqual([]);
    expect(hierarchies("nonsense\n::\n", "nonsense - - -\n - \n")).toEqual([]);
  });
});
