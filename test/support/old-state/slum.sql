PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE `alerts` (
	`thing` text PRIMARY KEY NOT NULL,
	`begun_at` integer NOT NULL,
	`open` integer NOT NULL
);
CREATE TABLE `deliveries` (
	`seq` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`webhook` text NOT NULL,
	`message_id` text NOT NULL,
	`type` text NOT NULL,
	`body` text NOT NULL,
	`created_at` integer NOT NULL,
	`attempts` integer NOT NULL,
	`next_at` integer NOT NULL,
	`last_error` text
, `claimed_by` text, `claimed_until` integer);
CREATE TABLE `events` (
	`seq` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`at` integer NOT NULL,
	`kind` text NOT NULL,
	`server` text,
	`tenant` text,
	`detail` text NOT NULL
);
INSERT INTO events VALUES(1,1796064191321,'server.added','iad',NULL,'http://127.0.0.1:28999');
INSERT INTO events VALUES(2,1796064192169,'tenant.added','iad','acme','acme.test on iad');
INSERT INTO events VALUES(3,1796064192818,'server.offline','iad',NULL,'connection refused');
CREATE TABLE `servers` (
	`seq` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`id` text NOT NULL,
	`url` text NOT NULL,
	`region` text,
	`health_path` text NOT NULL,
	`addressing` text NOT NULL,
	`drained` integer NOT NULL,
	`created_at` integer NOT NULL,
	`status` text NOT NULL,
	`status_at` integer NOT NULL,
	`latency_ms` real,
	`last_error` text
);
INSERT INTO servers VALUES(1,'iad','http://127.0.0.1:28999',NULL,'/health','header',0,1796064191320,'offline',1796064192801,NULL,'connection refused');
CREATE TABLE `tenants` (
	`seq` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`id` text NOT NULL,
	`domain` text NOT NULL,
	`server` text NOT NULL,
	`service` text NOT NULL,
	`instance` text,
	`failover` text,
	`writes` text NOT NULL,
	`created_at` integer NOT NULL
);
INSERT INTO tenants VALUES(1,'acme','acme.test','iad','api',NULL,NULL,'any',1796064192170);
CREATE TABLE `tokens` (
	`hash` text PRIMARY KEY NOT NULL,
	`created_at` integer NOT NULL
);
INSERT INTO tokens VALUES('61efc6f13f5ed2cd02a509517f9f777be7502085de18f7d6105b5cb99d3c9aab',1796064189819);
CREATE TABLE `webhooks` (
	`seq` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`id` text NOT NULL,
	`url` text NOT NULL,
	`secret` text NOT NULL,
	`old_secret` text,
	`old_secret_until` integer,
	`types` text,
	`allow_private` integer NOT NULL,
	`disabled` text,
	`created_at` integer NOT NULL
);
DELETE FROM sqlite_sequence;
INSERT INTO sqlite_sequence VALUES('events',3);
INSERT INTO sqlite_sequence VALUES('servers',1);
INSERT INTO sqlite_sequence VALUES('tenants',1);
CREATE UNIQUE INDEX `servers_id` ON `servers` (`id`);
CREATE UNIQUE INDEX `servers_url` ON `servers` (`url`);
CREATE UNIQUE INDEX `tenants_id` ON `tenants` (`id`);
CREATE UNIQUE INDEX `tenants_domain` ON `tenants` (`domain`);
CREATE UNIQUE INDEX `webhooks_id` ON `webhooks` (`id`);
CREATE UNIQUE INDEX `deliveries_message` ON `deliveries` (`webhook`,`message_id`);
COMMIT;
PRAGMA user_version = 2;
