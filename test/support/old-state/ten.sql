PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE `changes` (
	`seq` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`service` text NOT NULL,
	`at` integer NOT NULL,
	`command` text NOT NULL,
	`before` text NOT NULL,
	`after` text NOT NULL
);
INSERT INTO changes VALUES(1,'api',1796064174407,'spawn api:v1','{"v1":0}','{"v1":10000}');
INSERT INTO changes VALUES(2,'api',1796064180435,'deploy api:v2','{"v1":10000,"v2":0}','{"v1":8000,"v2":2000}');
CREATE TABLE `events` (
	`seq` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`at` integer NOT NULL,
	`service` text NOT NULL,
	`instance` text,
	`kind` text NOT NULL,
	`detail` text NOT NULL
);
INSERT INTO events VALUES(1,1796064176690,'api','v1','healthy','check passed: status 200');
INSERT INTO events VALUES(2,1796064180383,'api','v2','healthy','check passed: status 200');
INSERT INTO events VALUES(3,1796064182889,'api','v0','draining','stopped by the operator');
INSERT INTO events VALUES(4,1796064183119,'api','v0','stopped','stopped by the operator');
INSERT INTO events VALUES(5,1796064187930,'api','v1','stopped','the server was shut down');
INSERT INTO events VALUES(6,1796064187981,'api','v2','stopped','the server was shut down');
CREATE TABLE `instances` (
	`seq` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`service` text NOT NULL,
	`id` text NOT NULL,
	`version` text NOT NULL,
	`weight` integer NOT NULL,
	`desired` text NOT NULL,
	`state` text NOT NULL,
	`reason` text NOT NULL,
	`state_at` integer NOT NULL,
	`created_at` integer NOT NULL,
	`deploying` integer NOT NULL,
	`restarts` integer NOT NULL,
	`last_exit` text,
	`nonce` text,
	`pid` integer,
	`start_time` text,
	`boot_id` text,
	`port` integer
);
INSERT INTO instances VALUES(1,'api','v1','v1',8000,'running','stopped','the server was shut down',1796064187929,1796064174345,0,0,NULL,NULL,NULL,NULL,'910888be-a679-4051-928d-1491e168ad2a',NULL);
INSERT INTO instances VALUES(2,'api','v2','v2',2000,'running','stopped','the server was shut down',1796064187971,1796064177262,0,0,NULL,NULL,NULL,NULL,'910888be-a679-4051-928d-1491e168ad2a',NULL);
INSERT INTO instances VALUES(3,'api','v0','v0',0,'stopped','stopped','stopped by the operator',1796064183118,1796064180969,0,0,NULL,NULL,NULL,NULL,'910888be-a679-4051-928d-1491e168ad2a',NULL);
CREATE TABLE `meta` (
	`key` text PRIMARY KEY NOT NULL,
	`value` text NOT NULL
);
INSERT INTO meta VALUES('id','b161f1394f1b4feb');
CREATE TABLE `services` (
	`name` text PRIMARY KEY NOT NULL,
	`epoch` integer NOT NULL
);
INSERT INTO services VALUES('api',2);
CREATE TABLE `tokens` (
	`hash` text PRIMARY KEY NOT NULL,
	`tenant` text,
	`created_at` integer NOT NULL
);
INSERT INTO tokens VALUES('52e2ca5935308eac69d5c201884b5029b83f5ef49d0331947c8e02657c96e6c0',NULL,1796064174149);
INSERT INTO tokens VALUES('71ad9edd0fc0739c9bddd5fe6ecbf4c1d9f247f7b4e8ab7d6c7f395b934ebaa5','acme',1796064184208);
INSERT INTO tokens VALUES('9f88b0c910cedca51649d7014a73a0f36d08a5865f5f4d69cf02b3d878e7791d',NULL,1796064185498);
DELETE FROM sqlite_sequence;
INSERT INTO sqlite_sequence VALUES('instances',3);
INSERT INTO sqlite_sequence VALUES('changes',2);
INSERT INTO sqlite_sequence VALUES('events',6);
CREATE UNIQUE INDEX `instances_name` ON `instances` (`service`,`id`);
CREATE UNIQUE INDEX `instances_port` ON `instances` (`port`);
COMMIT;
PRAGMA user_version = 1;
