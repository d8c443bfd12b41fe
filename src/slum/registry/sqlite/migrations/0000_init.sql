CREATE TABLE `alerts` (
	`thing` text PRIMARY KEY NOT NULL,
	`begun_at` integer NOT NULL,
	`open` integer NOT NULL
);
--> statement-breakpoint
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
);
--> statement-breakpoint
CREATE TABLE `events` (
	`seq` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`at` integer NOT NULL,
	`kind` text NOT NULL,
	`server` text,
	`tenant` text,
	`detail` text NOT NULL
);
--> statement-breakpoint
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
--> statement-breakpoint
CREATE UNIQUE INDEX `servers_id` ON `servers` (`id`);--> statement-breakpoint
CREATE UNIQUE INDEX `servers_url` ON `servers` (`url`);--> statement-breakpoint
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
--> statement-breakpoint
CREATE UNIQUE INDEX `tenants_id` ON `tenants` (`id`);--> statement-breakpoint
CREATE UNIQUE INDEX `tenants_domain` ON `tenants` (`domain`);--> statement-breakpoint
CREATE TABLE `tokens` (
	`hash` text PRIMARY KEY NOT NULL,
	`created_at` integer NOT NULL
);
--> statement-breakpoint
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
--> statement-breakpoint
CREATE UNIQUE INDEX `webhooks_id` ON `webhooks` (`id`);