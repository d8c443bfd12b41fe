CREATE TABLE `changes` (
	`seq` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`service` text NOT NULL,
	`at` integer NOT NULL,
	`command` text NOT NULL,
	`before` text NOT NULL,
	`after` text NOT NULL
);
--> statement-breakpoint
CREATE TABLE `events` (
	`seq` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`at` integer NOT NULL,
	`service` text NOT NULL,
	`instance` text,
	`kind` text NOT NULL,
	`detail` text NOT NULL
);
--> statement-breakpoint
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
--> statement-breakpoint
CREATE UNIQUE INDEX `instances_name` ON `instances` (`service`,`id`);--> statement-breakpoint
CREATE UNIQUE INDEX `instances_port` ON `instances` (`port`);--> statement-breakpoint
CREATE TABLE `meta` (
	`key` text PRIMARY KEY NOT NULL,
	`value` text NOT NULL
);
--> statement-breakpoint
CREATE TABLE `services` (
	`name` text PRIMARY KEY NOT NULL,
	`epoch` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `tokens` (
	`hash` text PRIMARY KEY NOT NULL,
	`tenant` text,
	`created_at` integer NOT NULL
);
